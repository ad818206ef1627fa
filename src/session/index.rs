//! Sessions by id and by user, for everything but the data path.

use std::{collections::HashMap, sync::Arc};

use super::{Session, SessionId, record::Seen};

/// Both maps hold the same sessions.
#[derive(Default)]
pub(super) struct Index {
    by_id: HashMap<SessionId, Arc<Session>>,
    by_user: HashMap<String, Vec<Arc<Session>>>,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn insert(&mut self, session: Arc<Session>) {
        let user = session.user.name.clone();
        self.by_user
            .entry(user)
            .or_default()
            .push(Arc::clone(&session));
        self.by_id.insert(session.id, session);
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Arc<Session>> {
        let session = self.by_id.remove(&id)?;
        if let Some(list) = self.by_user.get_mut(&session.user.name) {
            list.retain(|other| other.id != id);
            if list.is_empty() {
                self.by_user.remove(&session.user.name);
            }
        }
        Some(session)
    }

    pub(super) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.by_id.get(&id).cloned()
    }

    pub(super) fn list(&self, user: Option<&str>) -> Vec<Arc<Session>> {
        match user {
            Some(name) => self.by_user.get(name).cloned().unwrap_or_default(),
            None => self.by_id.values().cloned().collect(),
        }
    }

    pub(super) fn select(&self, mut which: impl FnMut(&Session) -> bool) -> Vec<SessionId> {
        let picked = self.by_id.values().filter(|session| which(session));
        picked.map(|session| session.id).collect()
    }

    /// Those of a user that are too many, idle the longest; never `keep`, nor one that is still
    /// being signed in.
    pub(super) fn surplus(&self, user: &str, keep: SessionId) -> Vec<SessionId> {
        let mut list = self.list(Some(user));
        let surplus = list.len().saturating_sub(SESSIONS_PER_USER);
        list.retain(|session| session.id != keep && session.has_tokens());
        list.sort_by_key(|session| session.last_seen());
        list.iter()
            .take(surplus)
            .map(|session| session.id)
            .collect()
    }

    /// Last-seen times that the store has not got.
    pub(super) fn unsaved(&self) -> Vec<Seen> {
        let unsaved = |session: &Arc<Session>| Some((session.id, session.take_unsaved()?));
        self.by_id.values().filter_map(unsaved).collect()
    }
}

/// Browsers and devices of one person.
pub(super) const SESSIONS_PER_USER: usize = 50;
