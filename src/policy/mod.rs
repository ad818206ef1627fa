//! Who may use a route. Deny by default.
//!
//! In: who is asking, from where, with which method. Out: a [`Decision`]; its yes carries the
//! [`Permit`] without which no request reaches an upstream.
//! Not here: finding out who is asking (`auth`), cross-site checks (`auth::origin`).

use http::Method;
use ipnet::IpNet;

use crate::{
    client::ClientAddr,
    config::{Access, AccessRule},
    route::RouteId,
    session::User,
};

/// The signed-in user, as far as policy and the tool need to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Who<'a> {
    /// Unique name.
    pub name: &'a str,
    /// Group names.
    pub groups: &'a [String],
    /// Verified e-mail address.
    pub email: Option<&'a str>,
}

impl<'a> From<&'a User> for Who<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            name: &user.name,
            groups: &user.groups,
            email: user.email.as_deref(),
        }
    }
}

/// Proof that policy let a request pass; [`Policy::decide`] alone makes one.
///
/// ```compile_fail
/// use labgate::{policy::Permit, route::RouteId};
/// let forged = Permit { route: RouteId::new(0), who: None };
/// ```
#[derive(Debug, Eq, PartialEq)]
pub struct Permit<'a> {
    route: RouteId,
    /// `None`: nobody is signed in, and nobody has to be.
    who: Option<Who<'a>>,
}

/// What becomes of a request.
#[derive(Debug, Eq, PartialEq)]
pub enum Decision<'a> {
    /// It may pass, on behalf of whom the permit names.
    Allowed(Permit<'a>),
    /// It may not, and signing in (again) would not change that.
    Denied,
    /// Nobody is signed in, and somebody who is might pass.
    SignIn,
}

/// The access rule of one route, compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    route: RouteId,
    access: Compiled,
}

#[derive(Clone, Debug)]
enum Compiled {
    AnyOf(Vec<Rule>),
    Public,
    SignedIn,
}

#[derive(Clone, Debug)]
struct Rule {
    people: People,
    networks: Vec<IpNet>,
    methods: Vec<Method>,
}

/// Whom a rule is about.
#[derive(Clone, Debug)]
enum People {
    /// Whoever is signed in or not: a rule of networks.
    Anybody,
    /// Whoever is signed in: a rule of methods.
    AnybodySignedIn,
    /// A rule that says nothing allows nobody.
    Nobody,
    Some {
        users: Vec<String>,
        groups: Vec<String>,
        emails: Vec<Email>,
    },
}

#[derive(Clone, Debug)]
enum Email {
    /// `*@example.org`, kept without `*@`.
    Domain(String),
    Exact(String),
}

impl<'a> Permit<'a> {
    /// The route it is good for.
    pub const fn route(&self) -> RouteId {
        self.route
    }

    /// On whose behalf; `None` on a route for everybody when the visitor is not signed in.
    pub const fn who(&self) -> Option<Who<'a>> {
        self.who
    }
}

impl Policy {
    /// Compiles the access rule of a route.
    pub fn compile(route: RouteId, access: &Access) -> Self {
        let access = match access {
            Access::Public => Compiled::Public,
            Access::SignedIn => Compiled::SignedIn,
            Access::AnyOf(rules) => Compiled::AnyOf(rules.iter().map(Rule::compile).collect()),
        };
        Self { route, access }
    }

    /// Whether the route is for everybody.
    pub const fn is_public(&self) -> bool {
        matches!(self.access, Compiled::Public)
    }

    /// Decides. No allocation; linear in what the route's rule lists.
    pub fn decide<'a>(
        &self,
        who: Option<Who<'a>>,
        client: ClientAddr,
        method: &Method,
    ) -> Decision<'a> {
        let route = self.route;
        let allowed = match &self.access {
            Compiled::Public => true,
            Compiled::SignedIn => who.is_some(),
            Compiled::AnyOf(rules) => rules
                .iter()
                .any(|rule| rule.in_bounds(client, method) && rule.people.match_who(who.as_ref())),
        };
        if allowed {
            Decision::Allowed(Permit { route, who })
        } else if who.is_none() && self.somebody_could(client, method) {
            Decision::SignIn
        } else {
            Decision::Denied
        }
    }

    /// Whether this request could pass if the right person had signed in.
    fn somebody_could(&self, client: ClientAddr, method: &Method) -> bool {
        match &self.access {
            Compiled::Public | Compiled::SignedIn => true,
            Compiled::AnyOf(rules) => rules.iter().any(|rule| {
                rule.in_bounds(client, method) && !matches!(rule.people, People::Nobody)
            }),
        }
    }
}

impl Rule {
    fn compile(rule: &AccessRule) -> Self {
        let named = !(rule.users.is_empty() && rule.groups.is_empty() && rule.emails.is_empty());
        let people = if named {
            People::Some {
                users: rule.users.clone(),
                groups: rule.groups.clone(),
                emails: rule
                    .emails
                    .iter()
                    .map(|text| Email::compile(text))
                    .collect(),
            }
        } else if !rule.networks.is_empty() {
            People::Anybody
        } else if !rule.methods.is_empty() {
            People::AnybodySignedIn
        } else {
            People::Nobody
        };
        Self {
            people,
            networks: rule.networks.clone(),
            methods: rule.methods.clone(),
        }
    }

    /// Networks and methods narrow: all that are given must hold.
    fn in_bounds(&self, client: ClientAddr, method: &Method) -> bool {
        let address = client.ip();
        (self.methods.is_empty() || self.methods.contains(method))
            && (self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address)))
    }
}

impl People {
    fn match_who(&self, who: Option<&Who<'_>>) -> bool {
        match (self, who) {
            (Self::Anybody, _) | (Self::AnybodySignedIn, Some(_)) => true,
            (Self::AnybodySignedIn | Self::Some { .. }, None) | (Self::Nobody, _) => false,
            (
                Self::Some {
                    users,
                    groups,
                    emails,
                },
                Some(who),
            ) => {
                users.iter().any(|user| user == who.name)
                    || groups.iter().any(|group| who.groups.contains(group))
                    || who
                        .email
                        .is_some_and(|email| emails.iter().any(|pattern| pattern.matches(email)))
            }
        }
    }
}

impl Email {
    fn compile(text: &str) -> Self {
        match text.strip_prefix("*@") {
            Some(domain) => Self::Domain(domain.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// An address with two `@` matches no domain (SECURITY T68).
    fn matches(&self, email: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.eq_ignore_ascii_case(email),
            Self::Domain(domain) => email.split_once('@').is_some_and(|(local, found)| {
                !local.is_empty() && domain.eq_ignore_ascii_case(found)
            }),
        }
    }
}

#[cfg(test)]
mod tests;
