//! What operators' programs ask, on an address of its own: `/metrics`, `/live`, `/ready`.
//!
//! In: `[admin] address`. Out: small answers over HTTP/1, on the control runtime, each connection
//! bounded in time and all of them in number. Numbers tell what people do, so browsers get none of
//! it: neither by a name that somebody pointed here nor from a page (SECURITY T54).
//! Not here: where the numbers come from (`runtime`).

use std::{
    convert::Infallible, future::Future, io, net::IpAddr, net::SocketAddr, pin::Pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{http::site::Host, telemetry::prometheus};

/// The metrics as text, when they are there; `None`: not all workers answer.
pub type Metrics =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// The bound socket.
#[derive(Debug)]
pub struct Admin {
    socket: TcpListener,
    /// Where it is bound, with the real port.
    pub address: SocketAddr,
}

impl Admin {
    /// Binds it. Must run inside a runtime.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Answers until the future is dropped. Not ready once `stopping` is cancelled.
    pub async fn serve(self, metrics: Metrics, stopping: CancellationToken, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok((socket, _)) = self.socket.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // One too many is let go.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                continue;
            };
            let (metrics, stopping) = (Arc::clone(&metrics), stopping.clone());
            tasks.spawn(async move {
                converse(socket, &metrics, &stopping).await;
                drop(place);
            });
        }
    }
}

/// One request, within [`PATIENCE`].
async fn converse(socket: TcpStream, metrics: &Metrics, stopping: &CancellationToken) {
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(answer(&request, metrics, stopping).await)
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(socket), service);
    // Whoever is cut off or sends garbage is told nothing more.
    drop(timeout(PATIENCE, served).await);
}

async fn answer<B>(
    request: &Request<B>,
    metrics: &Metrics,
    stopping: &CancellationToken,
) -> Response<Full<Bytes>> {
    if let Err(status) = check(request) {
        return plain(status, String::new());
    }
    match request.uri().path() {
        "/ready" if stopping.is_cancelled() => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "stopping".into())
        }
        "/live" | "/ready" => plain(StatusCode::OK, "ok".into()),
        "/metrics" => match metrics().await {
            Some(text) => plain(StatusCode::OK, text),
            None => plain(StatusCode::SERVICE_UNAVAILABLE, String::new()),
        },
        _ => plain(StatusCode::NOT_FOUND, String::new()),
    }
}

/// Whether this may be answered: addressed by number or as `localhost`, and not by a browser.
fn check<B>(request: &Request<B>) -> Result<(), StatusCode> {
    let headers = request.headers();
    if request.uri().authority().is_some() || !is_local_name(headers) {
        return Err(StatusCode::MISDIRECTED_REQUEST);
    }
    if headers.contains_key(header::ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
        return Err(StatusCode::FORBIDDEN);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
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
const MAX_CONNECTIONS: usize = 32;
const MAX_HEAD: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    fn browsers_and_other_methods_are_refused() {
        let local = ("host", "localhost");
        for field in [("origin", "null"), ("sec-fetch-site", "none")] {
            assert_eq!(checked(Method::GET, &[local, field]), Err(403));
        }
        assert_eq!(checked(Method::POST, &[local]), Err(405));
        assert_eq!(checked(Method::HEAD, &[local]), Ok(()));
    }
}
