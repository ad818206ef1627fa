//! Any HTTP server: passed as it is. A configured token becomes `Authorization: Bearer` (RFC 6750).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::{BadToken, authorization, authorize};
use crate::secret::Secret;

/// Servers in the field close idle connections after 5 s (uvicorn, Node).
pub(super) const UPSTREAM_IDLE: Duration = Duration::from_secs(4);

/// A tool that we know nothing of.
#[derive(Clone, Debug)]
pub struct Generic {
    authorization: Option<HeaderValue>,
}

impl Generic {
    pub(super) fn new(token: Option<&Secret<String>>) -> Result<Self, BadToken> {
        let authorization = token.map(|token| authorization("Bearer", token));
        Ok(Self {
            authorization: authorization.transpose()?,
        })
    }

    pub(super) fn prepare(&self, headers: &mut HeaderMap) {
        if let Some(ours) = &self.authorization {
            authorize(headers, ours);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn a_token_replaces_the_clients_and_without_one_the_clients_passes() {
        let theirs =
            || HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Basic x"))]);
        let mut headers = theirs();
        Generic::new(None).unwrap().prepare(&mut headers);
        assert_eq!(headers, theirs());
        let token = Secret::new("t0".to_owned());
        let generic = Generic::new(Some(&token)).unwrap();
        generic.prepare(&mut headers);
        let all: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(all, ["Bearer t0"]);
        assert!(!format!("{generic:?}").contains("t0"));
        let broken = Secret::new("a\r\nb".to_owned());
        assert_eq!(Generic::new(Some(&broken)).unwrap_err(), BadToken);
    }
}
