//! Signing out: asked by GET, done by POST.

use std::sync::Arc;

use axum::{Form, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{AskedOf, Pages, form, html, see_other, with_cookie};
use crate::{
    route::own::{SIGN_IN, SIGN_OUT},
    session::Check,
    ui::{self, Problem, SignOutPage},
};

/// The field of the form.
#[derive(Deserialize)]
pub(super) struct Confirmed {
    #[serde(default)]
    csrf: String,
}

/// GET: asks first; whoever has no session is told that they are signed out.
pub(super) async fn ask(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
) -> Response {
    if !asked.on_main_host() {
        return see_other(&asked.page(SIGN_OUT));
    }
    let look = &asked.runtime.look;
    let Some(session) = &asked.session else {
        return html(StatusCode::OK, ui::signed_out(look, SIGN_IN));
    };
    let issued = form::issue(&pages, &asked, &headers, form::Form::SignOut);
    let page = SignOutPage {
        user: session.user.name.clone(),
        csrf: issued.value,
    };
    html(StatusCode::OK, ui::sign_out(look, &page))
}

/// POST: ends the session and all that it opened, on every host.
pub(super) async fn submit(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    confirmed: Result<Form<Confirmed>, axum::extract::rejection::FormRejection>,
) -> Response {
    if !asked.on_main_host() {
        return asked.problem(&Problem::NotFound);
    }
    let signed_out = || with_cookie(see_other(SIGN_OUT), asked.no_session_cookie());
    let Some(session) = &asked.session else {
        return signed_out();
    };
    let value = confirmed
        .map(|Form(confirmed)| confirmed.csrf)
        .unwrap_or_default();
    match form::check(&pages, &asked, &headers, form::Form::SignOut, &value) {
        Check::Good => {}
        Check::Stale => return see_other(SIGN_OUT),
        Check::Bad => {
            pages.form_refused(&asked, session, SIGN_OUT);
            return asked.problem(&Problem::FormRefused);
        }
    }
    pages.end_session(session).await;
    signed_out()
}
