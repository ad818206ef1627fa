//! Taking a one-time code on a tool's host: the browser that was sent away comes back signed in.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    response::Response,
};
use http::HeaderMap;
use serde::Deserialize;

use super::{AskedOf, Pages, see_other, with_cookie};
use crate::{
    auth::cookie as names,
    session::Refused,
    telemetry::{audit::Event, chain},
    ui::Problem,
};

/// The query.
#[derive(Deserialize)]
pub(super) struct Coded {
    code: String,
}

/// GET: redeems the code together with the nonce cookie that this host set.
pub(super) async fn enter(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    coded: Result<Query<Coded>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let (Ok(Query(coded)), false) = (coded, asked.on_main_host()) else {
        return asked.problem(&Problem::NotFound);
    };
    let nonce = names::named(&headers, names::enter_name(asked.https()))
        .next()
        .unwrap_or_default();
    let handover = match pages.handovers.redeem(&coded.code, &asked.host, nonce) {
        Ok(handover) => handover,
        // The same page loaded twice: the first time opened the session.
        Err(Refused::Used) if asked.session.is_some() => return see_other("/"),
        Err(refused) => {
            let event = Event::HandoverRefused {
                reason: refused.name(),
                host: asked.host.as_str(),
                client: asked.client.ip(),
                request_id: asked.id,
            };
            pages.audit.write_first(asked.alike(refused.name()), &event);
            return asked.problem(&Problem::LinkGone);
        }
    };
    match pages.sessions.enter(&handover.session, &asked.host).await {
        Ok(Some(token)) => {
            if let Some(session) = pages.sessions.get(&handover.session) {
                pages.audit.write(&Event::HandedOver {
                    user: &session.user.name,
                    session: &session.id.to_string(),
                    host: asked.host.as_str(),
                    client: asked.client.ip(),
                    request_id: asked.id,
                });
            }
            let cookie = asked.session_cookie(&token);
            with_cookie(see_other(&handover.return_path), cookie)
        }
        // The session ended in the meantime; the tool's host asks for a new sign-in.
        Ok(None) => see_other(&handover.return_path),
        Err(error) => {
            tracing::error!(error = %chain(&error), request_id = %asked.id, "a session cannot be stored");
            asked.problem(&Problem::Internal)
        }
    }
}
