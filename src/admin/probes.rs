//! `/metrics`, `/live` and `/ready`, and who may ask: programs, never browsers.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use tokio_util::sync::CancellationToken;

use crate::{http::site::Host, telemetry::prometheus};

/// The metrics as text, when they are there; `None`: not all workers answer.
pub type Metrics =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// What the probes are answered from. Cheap to clone.
#[derive(Clone)]
pub struct Probes {
    /// The numbers.
    pub metrics: Metrics,
    /// Not ready once this is cancelled.
    pub stopping: CancellationToken,
}

impl Probes {
    /// Answers a request that may be answered, and says no to others.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if let Err(status) = check(request) {
            return plain(status, String::new());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, String::new());
        }
        match request.uri().path() {
            "/ready" if self.stopping.is_cancelled() => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "stopping".into())
            }
            "/live" | "/ready" => plain(StatusCode::OK, "ok".into()),
            "/metrics" => match (self.metrics)().await {
                Some(text) => plain(StatusCode::OK, text),
                None => plain(StatusCode::SERVICE_UNAVAILABLE, String::new()),
            },
            _ => plain(StatusCode::NOT_FOUND, String::new()),
        }
    }
}

/// Whether this may be answered: addressed by number or as `localhost`, not by a browser, and not
/// passed on by a proxy, as a route would.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), StatusCode> {
    let headers = request.headers();
    if request.uri().authority().is_some() || !is_local_name(headers) {
        return Err(StatusCode::MISDIRECTED_REQUEST);
    }
    let foreign = [
        header::ORIGIN,
        SEC_FETCH_SITE,
        X_FORWARDED_FOR,
        header::FORWARDED,
    ];
    if foreign.iter().any(|name| headers.contains_key(name)) {
        return Err(StatusCode::FORBIDDEN);
    }
    Ok(())
}

/// Whether the one `Host` is an address or `localhost`: no other name can be pointed here.
fn is_local_name(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let parsed = host.to_str().ok().map(Host::parse_authority);
    let Some(Ok((host, _port))) = parsed else {
        return false;
    };
    let name = host.as_str();
    name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// A text that nobody keeps or takes for something else.
fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static(prometheus::CONTENT_TYPE);
    headers.insert(header::CONTENT_TYPE, kind);
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    let as_said = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, as_said);
    response
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: Method, fields: &[(&str, &str)]) -> Result<(), u16> {
        let mut request = Request::builder().method(method).uri("/metrics");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap()).map_err(|status| status.as_u16())
    }

    #[test]
    fn addresses_and_localhost_are_answered_and_no_other_name() {
        for host in ["127.0.0.1:8001", "localhost", "LOCALHOST:1", "[::1]:8001"] {
            assert_eq!(checked(Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "lab.test",
            "localhost.lab.test",
            "127.0.0.1.lab.test",
            "127.1",
            "",
            "a b",
        ] {
            assert_eq!(checked(Method::GET, &[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(checked(Method::GET, &[]), Err(421));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(checked(Method::GET, &twice), Err(421));
    }

    #[test]
    fn browsers_and_proxies_are_refused() {
        let local = ("host", "localhost");
        for field in [
            ("origin", "null"),
            ("sec-fetch-site", "none"),
            ("x-forwarded-for", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
        ] {
            assert_eq!(checked(Method::GET, &[local, field]), Err(403));
        }
        assert_eq!(checked(Method::HEAD, &[local]), Ok(()));
    }

    #[tokio::test]
    async fn what_only_reads_takes_no_other_method() {
        let probes = Probes {
            metrics: Arc::new(|| Box::pin(async { None })),
            stopping: CancellationToken::new(),
        };
        for (method, status) in [(Method::GET, 200), (Method::HEAD, 200), (Method::POST, 405)] {
            let request = Request::builder().method(method).uri("/live");
            let request = request.header("host", "localhost").body(()).unwrap();
            assert_eq!(probes.answer(&request).await.status(), status);
        }
    }
}
