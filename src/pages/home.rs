//! The home page, and who am I.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{Asked, AskedOf, Pages, form, html, see_other};
use crate::{
    config::HostPattern,
    policy::{Decision, Who},
    route::own::{HOME, SIGN_IN},
    runtime::{Reached, Route},
    ui::{self, HomePage, Problem, Tile, ToolState},
};

/// The tools of whoever is signed in.
pub(super) async fn home(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
) -> Response {
    if !asked.on_main_host() {
        return see_other(&asked.page(HOME));
    }
    let Some(session) = &asked.session else {
        return see_other(&format!("{SIGN_IN}?return={HOME}"));
    };
    let user = &session.user;
    let who = Who::from(user.as_ref());
    let tiles = asked
        .runtime
        .routes()
        .iter()
        .filter_map(|route| tile(&asked, route, who))
        .collect();
    let issued = form::issue(&pages, &asked, &headers, form::Form::SignOut);
    let page = HomePage {
        user: user.name.clone(),
        groups: user.groups.clone(),
        csrf: issued.value,
        tiles,
    };
    html(StatusCode::OK, ui::home(&asked.runtime.look, &page))
}

/// A tile for a route that this user may open by a plain visit.
fn tile(asked: &Asked, route: &Route, who: Who<'_>) -> Option<Tile> {
    let decision = route
        .policy
        .decide(Some(who), asked.client, &http::Method::GET);
    if !matches!(decision, Decision::Allowed(_)) || !route.is_behind(&asked.listener) {
        return None;
    }
    let host = match &route.config.host {
        None => &asked.host,
        Some(HostPattern::Exact(host)) => host,
        // A pattern names no host that one could open.
        Some(HostPattern::Suffix(_)) => return None,
    };
    let site = asked.runtime.sites.of(host);
    let slash = if route.config.path.ends_with('/') {
        ""
    } else {
        "/"
    };
    let path = format!("{}{slash}", route.config.path);
    Some(Tile {
        title: route.config.title.clone(),
        address: format!("{}{path}", site.authority_of(host)),
        href: format!("{}{path}", site.origin_of(host)),
        state: match route.reach.last() {
            Reached::Answered => ToolState::Ready,
            Reached::Away => ToolState::NotAnswering,
            Reached::Unknown => ToolState::Unknown,
        },
    })
}

/// Who is signed in, as JSON; 401 when nobody is. A tool's host does not tell: a tool of somebody
/// else would learn more of its visitors than it is given.
pub(super) async fn who_am_i(AskedOf(asked): AskedOf) -> Response {
    if !asked.on_main_host() {
        return asked.problem(&Problem::NotFound);
    }
    let Some(session) = &asked.session else {
        let body = json!({
            "error": "sign_in_required",
            "sign_in": asked.page(SIGN_IN),
            "request_id": asked.id.to_string(),
        });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    };
    let user = &session.user;
    Json(json!({
        "user": user.name,
        "provider": user.provider,
        "email": user.email,
        "groups": user.groups,
        "admin": user.is_admin(&asked.runtime.admin),
        "session": session.id.to_string(),
        "signed_in_at": session.created.rfc3339(),
    }))
    .into_response()
}
