//! Users who stand in the configuration or its htpasswd file, as `local` asks for them.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use super::{foreign::ForeignHash, password::Expected};
use crate::{
    config::{self, UserSource},
    session::{User, Voucher},
};

/// What the configuration says.
#[derive(Default)]
pub(super) struct Configured {
    users: HashMap<String, Arc<ConfiguredUser>>,
    /// The dearest hash of the htpasswd file.
    decoy: Option<ForeignHash>,
}

/// One of them.
pub(super) struct ConfiguredUser {
    user: config::LocalUser,
    /// Made when it is first needed, since that may take a hash.
    voucher: OnceLock<Voucher>,
}

impl Configured {
    /// Those of a new configuration. What `before` knew of the same passwords is kept.
    pub(super) fn new(users: &[config::LocalUser], before: &Self) -> Self {
        let foreign = users
            .iter()
            .filter(|user| user.source == UserSource::Htpasswd)
            .map(|user| ForeignHash::new(user.password.clone()));
        let decoy = foreign.max_by_key(ForeignHash::cost);
        let keep = |user: &config::LocalUser| {
            let same = before.users.get(&user.name).filter(|known| {
                (&known.user.password, known.user.source) == (&user.password, user.source)
            });
            let voucher = same.map(|known| known.voucher.clone());
            let kept = ConfiguredUser {
                user: user.clone(),
                voucher: voucher.unwrap_or_default(),
            };
            (user.name.clone(), Arc::new(kept))
        };
        Self {
            users: users.iter().map(keep).collect(),
            decoy,
        }
    }

    /// All of them, in no order.
    pub(super) fn users(&self) -> impl Iterator<Item = &config::LocalUser> {
        self.users.values().map(|known| &known.user)
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<ConfiguredUser>> {
        self.users.get(name).cloned()
    }

    pub(super) const fn decoy(&self) -> Option<&ForeignHash> {
        self.decoy.as_ref()
    }
}

impl ConfiguredUser {
    /// What the password is compared with.
    pub(super) fn expected(&self) -> Expected {
        match self.user.source {
            UserSource::Configuration => Expected::from_config(&self.user.password),
            UserSource::Htpasswd => Expected::Foreign(ForeignHash::new(self.user.password.clone())),
        }
    }

    /// As sessions want it; the first time it may block for a hash.
    pub(super) fn session_user(&self, salt: &[u8]) -> User {
        let voucher = self.voucher.get_or_init(|| self.expected().voucher(salt));
        let provider = match self.user.source {
            UserSource::Configuration => super::LocalUsers::CONFIGURED,
            UserSource::Htpasswd => super::LocalUsers::HTPASSWD,
        };
        User {
            provider: provider.to_owned(),
            subject: self.user.name.clone(),
            name: self.user.name.clone(),
            email: self.user.email.clone(),
            groups: self.user.groups.clone(),
            voucher: Some(voucher.clone()),
        }
    }
}
