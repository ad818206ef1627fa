//! The way of the operators' commands: the running server's admin socket, or the store itself.
//!
//! Both ways lead to the same API with the same requests, so a command does and prints the same
//! whether a server runs or not. A store that is locked while nobody listens belongs to a server that
//! starts or stops, or to another command; it is waited for.

use std::{sync::Arc, thread::sleep, time::Duration};

use axum::{Router, body::Body};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tower::ServiceExt;

use super::terminal::{Stop, Terminal};
use crate::{
    admin::{Client, Operator, api, shapes::Fault},
    clock::Clock,
    config::Config,
    identity::LocalUsers,
    session::Sessions,
    store::{self, StateDir, Store},
};

/// An open way to the API.
pub(super) struct Door {
    runtime: tokio::runtime::Runtime,
    way: Way,
}

enum Way {
    Server(Client),
    Store(Router),
}

impl Door {
    /// To the running server, or else to the store, which is made where it is missing.
    pub(super) fn open(config: &Config, terminal: &mut Terminal<'_>) -> Result<Self, Stop> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(door) = Self::to_server(config)? {
                return Ok(door);
            }
            match open_store(config, terminal) {
                Err(store::Error::Locked { .. }) if Instant::now() < deadline => sleep(PAUSE),
                opened => {
                    let store = opened.map_err(|error| Stop::failed(&error))?;
                    return Self::to_store(store, config, Clock::default());
                }
            }
        }
    }

    /// To the running server. `None`: no server runs.
    pub(super) fn to_server(config: &Config) -> Result<Option<Self>, Stop> {
        let runtime = runtime()?;
        let found = runtime.block_on(Client::find(&config.server.state_dir));
        let found = found.map_err(|error| Stop::failed(&error))?;
        Ok(found.map(|client| Self {
            runtime,
            way: Way::Server(client),
        }))
    }

    /// To an open store.
    pub(super) fn to_store(store: Arc<Store>, config: &Config, clock: Clock) -> Result<Self, Stop> {
        let runtime = runtime()?;
        let sessions = Sessions::open(Arc::clone(&store), clock.clone(), &config.session);
        let sessions = Arc::new(sessions.map_err(|error| Stop::failed(&error))?);
        let users = Arc::new(LocalUsers::new(Arc::clone(&store), &config.local_users));
        let operator = Operator::new(store, sessions, users, clock, None);
        let router = api::of_store(operator, config.server.public_url.origin());
        Ok(Self {
            runtime,
            way: Way::Store(router),
        })
    }

    /// Asks without a body.
    pub(super) fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Stop> {
        let request = Request::builder().method(method).uri(path);
        self.answer(request.body(Body::empty()))
    }

    /// Asks with JSON.
    pub(super) fn tell<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        what: &impl Serialize,
    ) -> Result<T, Stop> {
        let json = serde_json::to_vec(what).map_err(|error| Stop::failed(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        self.answer(request.body(Body::from(json)))
    }

    /// Gets a body, piece by piece; `take` may block.
    pub(super) fn fetch(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let response = self.send(Request::builder().uri(path).body(Body::empty()))?;
        self.runtime.block_on(async {
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| Stop::failed(&error))?;
                take(frame.data_ref().map_or(&[], |data| data))?;
            }
            Ok(())
        })
    }

    fn answer<T: DeserializeOwned>(&self, request: http::Result<Request<Body>>) -> Result<T, Stop> {
        let response = self.send(request)?;
        let body = self.runtime.block_on(response.into_body().collect());
        let body = body.map_err(|error| Stop::failed(&error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| Stop::failed(&error))
    }

    /// The answer's head, unless it is an error.
    fn send(&self, request: http::Result<Request<Body>>) -> Result<Response<Body>, Stop> {
        let request = request.map_err(|error| Stop::failed(&error))?;
        self.runtime.block_on(async {
            let response = match &self.way {
                Way::Server(client) => {
                    let sent = client.send(request).await;
                    let sent = sent.map_err(|error| Stop::failed(&error))?;
                    sent.ok_or_else(|| Stop::Failed("the server has stopped meanwhile".into()))?
                }
                Way::Store(router) => {
                    let Ok(response) = router.clone().oneshot(request).await;
                    response
                }
            };
            if response.status().is_success() {
                return Ok(response);
            }
            Err(stop(response).await)
        })
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build();
    runtime.map_err(|error| Stop::failed(&error))
}

fn open_store(config: &Config, terminal: &mut Terminal<'_>) -> Result<Arc<Store>, store::Error> {
    let folder = StateDir::open(&config.server.state_dir)?;
    let store = Store::open(&folder)?;
    for warning in folder.warnings() {
        terminal.warn(&format!("warning: {warning}"));
    }
    Ok(store)
}

/// Why the API says no, as a command's end.
async fn stop(response: Response<Body>) -> Stop {
    let status = response.status();
    let body = response.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    let fault = body.map(|body| serde_json::from_slice::<Fault>(&body));
    let message = match fault {
        Ok(Ok(fault)) => fault.message,
        _ => format!("the server answers {status}"),
    };
    match status {
        StatusCode::BAD_REQUEST => Stop::Usage(message),
        StatusCode::UNPROCESSABLE_ENTITY => Stop::Configuration(message),
        _ => Stop::Failed(message),
    }
}

/// A text as one segment of a path, or one value of a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// How long a locked store is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
