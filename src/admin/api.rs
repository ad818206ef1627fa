//! The admin API: paths and statuses of what [`Operator`] and a running server do.
//!
//! `/api/v1/…` with JSON both ways. An error is a [`Fault`]: a word for programs and a sentence for
//! people. The same router stands behind the admin socket and, where no server runs, within a
//! command; there the paths that only a server can answer are missing.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State, rejection::JsonRejection},
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use http_body_util::{BodyExt, Collected, Limited};
use serde::Deserialize;

use super::{
    download,
    operator::{Operator, Refusal},
    shapes::{Ended, Fault, NewPassword, NewUser, Reloaded, RouteRow, SessionRow, UpstreamRow},
};
use crate::telemetry::chain;

/// What comes later.
pub type Reply<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What only a running server can be asked.
pub trait Running: Send + Sync {
    /// The origin of the main host, in front of links.
    fn origin(&self) -> String;
    /// The routes, in the order of the configuration.
    fn routes(&self) -> Vec<RouteRow>;
    /// Where they lead and how that is; `None`: not all workers answer.
    fn upstreams(&self) -> Reply<Option<Vec<UpstreamRow>>>;
    /// Loads the configuration again.
    fn reload(&self) -> Reply<Result<Reloaded, NotReloaded>>;
}

/// Why the old configuration stays in use.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotReloaded {
    /// What is wrong with the new one, a line each.
    #[error("{0}")]
    Bad(String),
    /// This server was not started with files.
    #[error("this server has no configuration files to load again")]
    NoFiles,
    /// It ends anyway.
    #[error("the server is stopping")]
    Stopping,
}

/// What can be done without a server. `origin` is that of the main host.
pub fn of_store(operator: Operator, origin: String) -> Router {
    finished(shared(operator, Arc::new(move || origin.clone())))
}

/// Everything.
pub fn of_server(operator: Operator, server: Arc<dyn Running>) -> Router {
    let asked = Arc::clone(&server);
    let alone = Router::new()
        .route("/api/v1/routes", get(routes))
        .route("/api/v1/upstreams", get(upstreams))
        .route("/api/v1/reload", post(reload))
        .with_state(server);
    finished(shared(operator, Arc::new(move || asked.origin())).merge(alone))
}

/// The origin of the main host, now.
type Origin = Arc<dyn Fn() -> String + Send + Sync>;

struct Acts {
    operator: Operator,
    origin: Origin,
}

type OfActs = State<Arc<Acts>>;

fn shared(operator: Operator, origin: Origin) -> Router {
    Router::new()
        .route("/api/v1/backup", get(backup))
        .route("/api/v1/sessions", get(sessions).delete(revoke_user))
        .route("/api/v1/sessions/{id}", delete(revoke))
        .route("/api/v1/users", get(users).post(add))
        .route("/api/v1/users/{name}", get(user).delete(remove))
        .route("/api/v1/users/{name}/disable", post(disable))
        .route("/api/v1/users/{name}/link", post(link))
        .route("/api/v1/users/{name}/password", put(set_password))
        .with_state(Arc::new(Acts { operator, origin }))
}

fn finished(router: Router) -> Router {
    // Also what axum itself answers becomes a `Fault`.
    router
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(map_response(as_fault))
}

async fn nothing() -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn users(State(acts): OfActs) -> Result<Response, Refusal> {
    Ok(Json(acts.operator.users()?).into_response())
}

async fn user(State(acts): OfActs, Path(name): Path<String>) -> Result<Response, Refusal> {
    Ok(Json(acts.operator.user(&name)?).into_response())
}

async fn add(
    State(acts): OfActs,
    new: Result<Json<NewUser>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(new) = new?;
    let added = acts.operator.add(new, &(acts.origin)()).await?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

async fn link(State(acts): OfActs, Path(name): Path<String>) -> Result<Response, Refusal> {
    let link = acts.operator.link(&name, &(acts.origin)()).await?;
    Ok(Json(link).into_response())
}

async fn set_password(
    State(acts): OfActs,
    Path(name): Path<String>,
    new: Result<Json<NewPassword>, JsonRejection>,
) -> Result<Json<Ended>, Refusal> {
    let Json(new) = new?;
    let set = acts.operator.set_password(&name, new.password.0);
    Ok(Json(set.await?))
}

async fn disable(State(acts): OfActs, Path(name): Path<String>) -> Result<Json<Ended>, Refusal> {
    Ok(Json(acts.operator.disable(&name).await?))
}

async fn remove(State(acts): OfActs, Path(name): Path<String>) -> Result<Json<Ended>, Refusal> {
    Ok(Json(acts.operator.remove(&name).await?))
}

/// Whose sessions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfUser {
    user: Option<String>,
}

async fn sessions(State(acts): OfActs, Query(of): Query<OfUser>) -> Json<Vec<SessionRow>> {
    Json(acts.operator.sessions(of.user.as_deref()))
}

async fn revoke_user(
    State(acts): OfActs,
    Query(of): Query<OfUser>,
) -> Result<Json<Ended>, Refusal> {
    let Some(user) = of.user else {
        return Err(Refusal::Invalid("say whose: ?user=NAME".into()));
    };
    Ok(Json(acts.operator.revoke_user(&user).await?))
}

async fn revoke(State(acts): OfActs, Path(id): Path<String>) -> Result<Json<Ended>, Refusal> {
    Ok(Json(acts.operator.revoke(&id).await?))
}

async fn backup(State(acts): OfActs) -> Result<Response, Refusal> {
    let copying = tokio::task::spawn_blocking(move || acts.operator.backup());
    let file = copying.await.map_err(|_| Refusal::NotCopied)??;
    Ok(download::of(file))
}

type OfServer = State<Arc<dyn Running>>;

async fn routes(State(server): OfServer) -> Json<Vec<RouteRow>> {
    Json(server.routes())
}

async fn upstreams(State(server): OfServer) -> Result<Json<Vec<UpstreamRow>>, Refusal> {
    let rows = server.upstreams().await;
    rows.map(Json).ok_or(Refusal::Busy)
}

async fn reload(State(server): OfServer) -> Response {
    let error = match server.reload().await {
        Ok(reloaded) => return Json(reloaded).into_response(),
        Err(error) => error,
    };
    let (status, word) = match &error {
        NotReloaded::Bad(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad_configuration"),
        NotReloaded::NoFiles => (StatusCode::CONFLICT, "no_files"),
        NotReloaded::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    fault(status, word, error.to_string())
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, word) = match &self {
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Disabled(_) => (StatusCode::CONFLICT, "disabled"),
            Self::Elsewhere { .. } => (StatusCode::CONFLICT, "elsewhere"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
            Self::NoSession(_) => (StatusCode::NOT_FOUND, "no_such_session"),
            Self::NotCopied => (StatusCode::INTERNAL_SERVER_ERROR, "not_copied"),
            Self::NotHashed => (StatusCode::INTERNAL_SERVER_ERROR, "not_hashed"),
            Self::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store"),
            Self::Taken(_) => (StatusCode::CONFLICT, "taken"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "no_such_user"),
        };
        fault(status, word, chain(&self))
    }
}

fn fault(status: StatusCode, word: &str, message: String) -> Response {
    let error = word.to_owned();
    (status, Json(Fault { error, message })).into_response()
}

async fn as_fault(response: Response) -> Response {
    let status = response.status();
    let json = HeaderValue::from_static("application/json");
    if status.as_u16() < 400 || response.headers().get(header::CONTENT_TYPE) == Some(&json) {
        return response;
    }
    let text = Limited::new(response.into_body(), MAX_TEXT).collect().await;
    let text = text.map(Collected::to_bytes).unwrap_or_default();
    let message = match status {
        StatusCode::NOT_FOUND => "there is nothing at this path".into(),
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take this method".into(),
        _ => String::from_utf8_lossy(&text).into_owned(),
    };
    fault(status, "bad_request", message)
}

const MAX_BODY: usize = 64 * 1024;
const MAX_TEXT: usize = 4096;
