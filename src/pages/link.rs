//! One-time links: opening one asks, a click or a new password signs in, so that a link preview uses
//! up nothing.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Query, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{Asked, AskedOf, Pages, form, html, password, sign_in};
use crate::{
    identity::{LinkKind, OpenLink},
    route::own,
    secret::Secret,
    session::{Check, User},
    store,
    telemetry::{SignIn, chain},
    ui::{self, LinkPage, PasswordPage, PasswordState, Problem},
};

/// The query.
#[derive(Deserialize)]
pub(super) struct Opened {
    code: String,
}

/// The form.
#[derive(Deserialize)]
pub(super) struct Clicked {
    code: String,
    #[serde(default)]
    csrf: String,
    /// Only where the link asks for a password, like `again`.
    #[serde(default)]
    new: String,
    #[serde(default)]
    again: String,
}

/// GET: says whom the link is for.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    opened: Result<Query<Opened>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let (Ok(Query(opened)), true) = (opened, asked.on_main_host()) else {
        return asked.problem(&Problem::NotFound);
    };
    let link = match open(&pages, &opened.code) {
        Ok(Some(link)) => link,
        Ok(None) => return asked.problem(&Problem::LinkGone),
        Err(error) => return unreadable(&asked, &error),
    };
    if link.kind == LinkKind::SetPassword {
        return ask(
            &pages,
            &asked,
            &headers,
            link,
            opened.code,
            PasswordState::Fresh,
        );
    }
    let issued = form::issue(&pages, &asked, &headers, form::Form::Link);
    let page = LinkPage {
        user: link.user,
        csrf: issued.value.clone(),
        code: opened.code,
    };
    issued.with_cookie(html(StatusCode::OK, ui::link(&asked.runtime.look, &page)))
}

/// POST: uses the link up and signs in. A link that asks for a password stays until it has one.
pub(super) async fn submit(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    clicked: Result<Form<Clicked>, axum::extract::rejection::FormRejection>,
) -> Response {
    let (Ok(Form(clicked)), true) = (clicked, asked.on_main_host()) else {
        return asked.problem(&Problem::NotFound);
    };
    if form::check(&pages, &asked, &headers, form::Form::Link, &clicked.csrf) == Check::Bad {
        pages.sign_in_failed(&asked, &headers, None, SignIn::Forged);
        return asked.problem(&Problem::FormRefused);
    }
    let mut kind = LinkKind::SignIn;
    let redeemed = match open(&pages, &clicked.code) {
        Ok(None) => Ok(None),
        Ok(Some(link)) if link.kind == LinkKind::SignIn => pages.links.redeem(&clicked.code).await,
        Ok(Some(link)) => {
            kind = link.kind;
            match set_password(&pages, &asked, &headers, link, clicked).await {
                Ok(redeemed) => redeemed,
                Err(response) => return response,
            }
        }
        Err(error) => Err(error),
    };
    match redeemed {
        Ok(Some(user)) => {
            pages.link_used(&asked, &user.name, kind);
            let user = (user, "link");
            sign_in::open_session(&pages, &asked, &headers, user, (own::HOME, None)).await
        }
        Ok(None) => {
            pages.sign_in_failed(&asked, &headers, None, SignIn::LinkGone);
            asked.problem(&Problem::LinkGone)
        }
        Err(error) => {
            pages.sign_in_failed(&asked, &headers, None, SignIn::Failed);
            unreadable(&asked, &error)
        }
    }
}

/// Stores the password and ends the sessions of its user, whom it gives when the link was good.
/// `Err`: the form once more, and the link stays.
async fn set_password(
    pages: &Pages,
    asked: &Asked,
    headers: &HeaderMap,
    link: OpenLink,
    clicked: Clicked,
) -> Result<Result<Option<User>, store::Error>, Response> {
    let (new, again) = (Secret::new(clicked.new), Secret::new(clicked.again));
    let code = clicked.code;
    let hash = match password::chosen(new, &again, &link.user) {
        Ok(new) => pages.users.hash(new).await,
        Err(state) => return Err(ask(pages, asked, headers, link, code, state)),
    };
    let hash = match hash {
        Ok(hash) => hash,
        Err(error) => {
            let state = password::busy(asked, &error);
            return Err(ask(pages, asked, headers, link, code, state));
        }
    };
    let redeemed = pages.links.redeem_for_password(&code, hash).await;
    if let Ok(Some(User { name, .. })) = &redeemed {
        pages.password_changed(asked, name, "link");
        password::end_all(pages, name).await;
    }
    Ok(redeemed)
}

/// A link that is good now. Its user is one of the store, there and enabled; one of the configuration
/// with the same name is somebody else.
fn open(pages: &Pages, code: &str) -> Result<Option<OpenLink>, store::Error> {
    let Some(link) = pages.links.peek(code)? else {
        return Ok(None);
    };
    let stored = pages.users.is_stored(&link.user)?;
    Ok(stored.then_some(link))
}

fn ask(
    pages: &Pages,
    asked: &Asked,
    headers: &HeaderMap,
    link: OpenLink,
    code: String,
    state: PasswordState,
) -> Response {
    let issued = form::issue(pages, asked, headers, form::Form::Link);
    let page = PasswordPage {
        user: link.user,
        csrf: issued.value.clone(),
        code: Some(code),
        state,
        plain_http: asked.is_plain(),
    };
    issued.with_cookie(password::page(asked, &page))
}

fn unreadable(asked: &Asked, error: &store::Error) -> Response {
    tracing::error!(error = %chain(error), request_id = %asked.id, "a one-time link cannot be read");
    asked.problem(&Problem::Internal)
}
