//! Fields that a route sets, and odd names that it lets through.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    app::BadToken,
    config::HeaderRules,
    http::names::{folded, is_reserved},
};

/// What a route does to the fields of a request; the default does nothing and costs nothing.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    set: Box<[(HeaderName, HeaderValue)]>,
    /// What CGI could not tell from a name in `set`.
    alike: Box<[HeaderName]>,
    allowed: Box<[HeaderName]>,
}

impl Fields {
    pub(super) fn compile(rules: &HeaderRules) -> Result<Self, BadToken> {
        let set = rules.set.iter().map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| BadToken)?;
            value.set_sensitive(true);
            Ok((name.clone(), value))
        });
        let alike = rules.set.iter().filter_map(|(name, _)| {
            let plain = folded(name.as_str());
            HeaderName::try_from(plain)
                .ok()
                .filter(|plain| plain != name)
        });
        Ok(Self {
            set: set.collect::<Result<_, _>>()?,
            alike: alike.collect(),
            allowed: rules.allowed.iter().cloned().collect(),
        })
    }

    /// Whether a client's field of this name must not reach the tool.
    pub(super) fn refuses(&self, name: &HeaderName) -> bool {
        is_reserved(name.as_str()) && !self.allowed.contains(name)
    }

    /// Whether this is for the route to say, also behind a body.
    pub(super) fn owns(&self, name: &HeaderName) -> bool {
        self.set.iter().any(|(own, _)| own == name) || self.alike.contains(name)
    }

    /// Puts the route's values in the place of the client's.
    pub(super) fn set(&self, headers: &mut HeaderMap) {
        for name in &self.alike {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        rewrite::{
            Rules,
            tests::{rules_of, sent, with},
        },
        secret::Secret,
    };

    fn setting(set: &[(&'static str, &str)], allowed: &[&'static str]) -> Rules {
        rules_of("/", |route| {
            let field = |(name, value): &(&'static str, &str)| {
                let name = HeaderName::from_static(name);
                (name, Secret::new((*value).to_owned()))
            };
            route.headers.set = set.iter().map(field).collect();
            route.headers.allowed = allowed
                .iter()
                .map(|name| HeaderName::from_static(name))
                .collect();
        })
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        let all = headers.get_all(name).iter();
        all.map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_routes_value_is_the_only_one_also_in_a_handshake() {
        let rules = setting(&[("x-api-key", "ours"), ("api_key", "ours")], &[]);
        for extra in [("accept", "*/*"), ("sec-websocket-key", "k")] {
            let request = with(
                "/",
                &[
                    ("x-api-key", "theirs"),
                    ("x-api-key", "theirs"),
                    ("x_api_key", "theirs"),
                    ("api-key", "theirs"),
                    ("api.key", "theirs"),
                    ("connection", "x-api-key"),
                    extra,
                ],
            );
            let got = sent(&rules, true, request);
            assert_eq!(values(got.headers(), "x-api-key"), ["ours"]);
            assert_eq!(values(got.headers(), "api_key"), ["ours"]);
            assert!(!got.headers().values().any(|value| value == "theirs"));
        }
        assert!(!format!("{rules:?}").contains("ours"));
    }

    #[test]
    fn the_routes_names_are_not_announced_as_trailers() {
        let rules = setting(&[("x-api-key", "ours"), ("a_b", "ours")], &["x_sum"]);
        let announced = ("trailer", "X-Api-Key, a-b, x_sum, X-Checksum");
        let got = sent(&rules, false, with("/", &[announced]));
        assert_eq!(values(got.headers(), "trailer"), ["x-checksum"]);
    }

    #[test]
    fn only_the_odd_names_that_the_route_lists_get_through() {
        let rules = setting(&[], &["x_hub_signature", "tool.version"]);
        let request = with(
            "/",
            &[
                ("x_hub_signature", "a"),
                ("x_hub_signature", "b"),
                ("tool.version", "c"),
                ("x_hub.signature", "no"),
                ("x_forwarded_user", "no"),
                ("x_other", "no"),
            ],
        );
        let got = sent(&rules, true, request);
        assert_eq!(values(got.headers(), "x_hub_signature"), ["a", "b"]);
        assert_eq!(values(got.headers(), "tool.version"), ["c"]);
        assert!(!got.headers().values().any(|value| value == "no"));
    }

    proptest! {
        /// Whatever a client sends beside it, CGI finds the route's value and no other.
        #[test]
        fn to_cgi_there_is_one_value(
            ours in "[ab][-_.][ab]",
            theirs in prop::collection::vec("[ab][-_.!][ab]", 0..6),
        ) {
            let rules = rules_of("/", |route| {
                route.headers.set = vec![(ours.parse().unwrap(), Secret::new("ours".into()))];
            });
            let mut request = with("/", &[]);
            for name in &theirs {
                let name: HeaderName = name.parse().unwrap();
                request.headers_mut().append(name, HeaderValue::from_static("theirs"));
            }
            let got = sent(&rules, false, request);
            let same = |name: &HeaderName| folded(name.as_str()) == folded(&ours);
            let found: Vec<_> = got.headers().iter().filter(|(name, _)| same(name)).collect();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].1, "ours");
        }
    }
}
