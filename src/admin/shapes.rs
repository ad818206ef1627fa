//! The JSON of the admin API, for both of its ends.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::Secret;

/// `POST /api/v1/users`
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Unique.
    pub name: String,
    /// Taken as verified.
    #[serde(default)]
    pub email: Option<String>,
    /// Group names.
    #[serde(default)]
    pub groups: Vec<String>,
    /// `None`: the answer has a link with which the user chooses one.
    #[serde(default)]
    pub password: Option<Password>,
}

/// `PUT /api/v1/users/{name}/password`
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// As typed.
    pub password: Password,
}

/// A password on its way.
#[derive(Clone, Debug)]
pub struct Password(pub Secret<String>);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::new(text)))
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.expose())
    }
}

/// The answer to a new user.
#[derive(Debug, Deserialize, Serialize)]
pub struct Added {
    /// The name.
    pub name: String,
    /// For who has no password yet.
    pub link: Option<Link>,
}

/// `POST /api/v1/users/{name}/link`: a one-time link to choose a password with.
#[derive(Debug, Deserialize, Serialize)]
pub struct Link {
    /// Whose.
    pub name: String,
    /// The address, a secret.
    pub url: String,
    /// How long it is good.
    pub hours: u64,
}

/// The answer to what ends sessions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ended {
    /// How many.
    pub sessions: usize,
}

/// One of `GET /api/v1/users`.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct UserRow {
    /// The name.
    pub name: String,
    /// Where it stands, or how it is there.
    pub state: UserState,
    /// Group names.
    pub groups: Vec<String>,
    /// Verified.
    pub email: Option<String>,
}

/// How it is with a user.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserState {
    /// Stands in the configuration.
    Configuration,
    /// In the store, and may not sign in.
    Disabled,
    /// In the store, with a password.
    Enabled,
    /// In the store, behind one of the configuration with the same name.
    Hidden,
    /// Stands in the htpasswd file.
    Htpasswd,
    /// In the store, with nothing but links.
    NoPassword,
}

impl fmt::Display for UserState {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "configuration",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Hidden => "hidden by the configuration",
            Self::Htpasswd => "htpasswd",
            Self::NoPassword => "no password yet",
        })
    }
}

/// One of `GET /api/v1/sessions`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SessionRow {
    /// 16 hex digits; names it and grants nothing.
    pub id: String,
    /// Who signed in.
    pub user: String,
    /// Who vouched for them.
    pub provider: String,
    /// Address of the client at sign-in.
    pub address: String,
    /// What the browser called itself.
    pub device: String,
    /// RFC 3339.
    pub since: String,
    /// The last activity, RFC 3339.
    pub last_seen: String,
}

/// One of `GET /api/v1/routes`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RouteRow {
    /// Its name.
    pub name: String,
    /// Host or pattern; absent: every main host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Prefix.
    pub path: String,
    /// `public`, `signed-in` or `rules`
    pub access: String,
    /// As configured.
    pub upstreams: Vec<String>,
}

/// One of `GET /api/v1/upstreams`: the targets of one route.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UpstreamRow {
    /// The route's name.
    pub route: String,
    /// What the last attempt found: `answered`, `away`, or `unknown` before the first.
    pub last: String,
    /// Its targets, in the order of the configuration.
    pub targets: Vec<TargetRow>,
}

/// One target, over all workers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct TargetRow {
    /// As configured.
    pub address: String,
    /// How long it is still put aside by the worker that does so longest; `None`: by none. Only where
    /// a route has several targets.
    pub aside_seconds: Option<u64>,
    /// Idle connections.
    pub idle: usize,
    /// Requests that run or wait.
    pub requests: usize,
    /// Open tunnels.
    pub tunnels: usize,
}

/// The answer to `POST /api/v1/reload`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Reloaded {
    /// What changed but is the old one until the next start: keys.
    pub needs_restart: Vec<String>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

/// Every answer that is an error.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Fault {
    /// A word for programs.
    pub error: String,
    /// A sentence for people; several lines where there are several problems.
    pub message: String,
}
