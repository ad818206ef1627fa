//! Changing one's own password, and where it stands for those who cannot.
//!
//! The new password is stored first, which ends the user's sessions on disk; then all of them end in
//! memory, and this browser gets a new one.

use std::sync::Arc;

use axum::{Form, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{Asked, AskedOf, Pages, busy_html, form, html, see_other, sign_in, throttled_html};
use crate::{
    identity::{NewPassword, PasswordKeeper, Unavailable},
    route::own::{HOME, PASSWORD, SIGN_IN},
    secret::Secret,
    session::{Check, Ended, Session},
    telemetry::{SignIn, chain},
    ui::{self, PasswordPage, PasswordPlace, PasswordState, Problem},
};

/// The fields of the form.
#[derive(Deserialize)]
pub(super) struct Filled {
    current: String,
    new: String,
    again: String,
    #[serde(default)]
    csrf: String,
}

/// GET: the form, or where the password stands.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
) -> Response {
    if !asked.on_main_host() {
        return see_other(&asked.page(PASSWORD));
    }
    let Some(session) = &asked.session else {
        return see_other(&format!("{SIGN_IN}?return={PASSWORD}"));
    };
    if let Some(elsewhere) = elsewhere(&pages, &asked, session) {
        return elsewhere;
    }
    ask(&pages, &asked, &headers, session, PasswordState::Fresh)
}

/// POST: changes the password.
pub(super) async fn submit(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    filled: Result<Form<Filled>, axum::extract::rejection::FormRejection>,
) -> Response {
    if !asked.on_main_host() {
        return asked.problem(&Problem::NotFound);
    }
    let Some(session) = &asked.session else {
        return see_other(&format!("{SIGN_IN}?return={PASSWORD}"));
    };
    let Ok(Form(filled)) = filled else {
        return asked.problem(&Problem::BadRequest(
            "the form lacks a field or has one twice",
        ));
    };
    let (current, again) = (Secret::new(filled.current), Secret::new(filled.again));
    let new = Secret::new(filled.new);
    let again_with = |state| ask(&pages, &asked, &headers, session, state);
    match form::check(&pages, &asked, &headers, form::Form::Password, &filled.csrf) {
        Check::Good => {}
        Check::Stale => return again_with(PasswordState::Stale),
        Check::Bad => {
            pages.form_refused(&asked, session, PASSWORD);
            return asked.problem(&Problem::FormRefused);
        }
    }
    if let Some(elsewhere) = elsewhere(&pages, &asked, session) {
        return elsewhere;
    }
    let name = &session.user.name;
    let new = match chosen(new, &again, name) {
        Ok(new) => new,
        Err(state) => return again_with(state),
    };
    let browser = form::browser(&asked, &headers);
    let attempt = match pages.throttle.attempt(asked.client.ip(), name, browser) {
        Ok(attempt) => attempt,
        Err(later) => {
            pages.password_change_failed(&asked, name, SignIn::Throttled);
            let retry_after = later.0;
            return again_with(PasswordState::TooMany { retry_after });
        }
    };
    let user = match pages.users.verify(name, &current).await {
        Ok(Some(user)) if user.is_stored() => user,
        Ok(_) => {
            pages.password_change_failed(&asked, name, SignIn::Wrong);
            return again_with(PasswordState::Wrong);
        }
        Err(error) => {
            attempt.withdrawn();
            return again_with(busy(&asked, &error));
        }
    };
    attempt.succeeded();
    let stored = match pages.users.hash(new).await {
        Ok(hash) => pages.users.choose_password(user, hash).await,
        Err(error) => Err(error),
    };
    let user = match stored {
        Ok(Some(user)) => user,
        // Disabled, removed or changed in this moment.
        Ok(None) => return see_other(SIGN_IN),
        Err(error) => return again_with(busy(&asked, &error)),
    };
    pages.password_changed(&asked, name, "password");
    end_all(&pages, name).await;
    let user = (user, "new-password");
    sign_in::open_session(&pages, &asked, &headers, user, (HOME, None)).await
}

/// A new password that was typed the same twice and may be one.
pub(super) fn chosen(
    new: Secret<String>,
    again: &Secret<String>,
    name: &str,
) -> Result<NewPassword, PasswordState> {
    if new != *again {
        return Err(PasswordState::Differ);
    }
    NewPassword::new(new, name).map_err(|unfit| PasswordState::Unfit(unfit.to_string()))
}

/// Logs why no password could be checked or stored.
pub(super) fn busy(asked: &Asked, error: &Unavailable) -> PasswordState {
    tracing::warn!(error = %chain(error), request_id = %asked.id, "a password was not checked or stored");
    PasswordState::Busy
}

/// Ends the sessions that began with an older password.
pub(super) async fn end_all(pages: &Pages, name: &str) {
    if let Err(error) = pages.sessions.end_user(name, Ended::Revoked).await {
        // They are over in memory; the sweep goes on trying to take them off the disk.
        tracing::error!(error = %chain(&error), "an end was not stored");
    }
}

/// The form with its status.
pub(super) fn page(asked: &Asked, page: &PasswordPage) -> Response {
    let text = ui::password(&asked.runtime.look, page);
    match page.state {
        PasswordState::Busy => busy_html(text),
        PasswordState::Differ | PasswordState::Unfit(_) => {
            html(StatusCode::UNPROCESSABLE_ENTITY, text)
        }
        PasswordState::Fresh | PasswordState::Stale => html(StatusCode::OK, text),
        PasswordState::TooMany { retry_after } => throttled_html(text, retry_after),
        PasswordState::Wrong => html(StatusCode::UNAUTHORIZED, text),
    }
}

fn ask(
    pages: &Pages,
    asked: &Asked,
    headers: &HeaderMap,
    session: &Session,
    state: PasswordState,
) -> Response {
    let issued = form::issue(pages, asked, headers, form::Form::Password);
    let filled = PasswordPage {
        user: session.user.name.clone(),
        csrf: issued.value.clone(),
        code: None,
        state,
        plain_http: asked.is_plain(),
    };
    issued.with_cookie(page(asked, &filled))
}

/// What to say to those whose password cannot be changed here.
fn elsewhere(pages: &Pages, asked: &Asked, session: &Session) -> Option<Response> {
    let place = match pages.users.keeper_of(&session.user) {
        Ok(PasswordKeeper::Store) => return None,
        Ok(PasswordKeeper::Configuration) => PasswordPlace::Configuration,
        Ok(PasswordKeeper::Htpasswd) => PasswordPlace::Htpasswd,
        Ok(PasswordKeeper::Nobody) => PasswordPlace::Nowhere,
        Ok(PasswordKeeper::Provider) => PasswordPlace::Provider,
        Err(error) => {
            tracing::error!(error = %chain(&error), request_id = %asked.id, "a user cannot be read");
            return Some(asked.problem(&Problem::Internal));
        }
    };
    let text = ui::password_elsewhere(&asked.runtime.look, &session.user.name, place);
    Some(html(StatusCode::OK, text))
}
