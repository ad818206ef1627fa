//! One-time sign-in links: opening one asks, a click signs in, so that a link preview uses up nothing.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Query, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{Asked, AskedOf, Pages, form, html, sign_in};
use crate::{
    route::own,
    session::Check,
    store,
    telemetry::chain,
    ui::{self, LinkPage, Problem},
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
}

/// GET: says whom the link signs in.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    opened: Result<Query<Opened>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let (Ok(Query(opened)), true) = (opened, asked.on_main_host()) else {
        return asked.problem(&Problem::NotFound);
    };
    let user = match pages.links.peek(&opened.code) {
        Ok(Some(user)) => user,
        Ok(None) => return asked.problem(&Problem::LinkGone),
        Err(error) => return unreadable(&asked, &error),
    };
    let issued = form::issue(&pages, &asked, &headers, form::Form::Link);
    let page = LinkPage {
        user,
        csrf: issued.value.clone(),
        code: opened.code,
    };
    issued.with_cookie(html(StatusCode::OK, ui::link(&asked.runtime.look, &page)))
}

/// POST: uses the link up and signs in.
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
        return asked.problem(&Problem::FormRefused);
    }
    let owner = match pages.links.redeem(&clicked.code).await {
        Ok(name) => name.map(|name| pages.users.lookup(&name)).transpose(),
        Err(error) => Err(error),
    };
    match owner {
        // The user may have been removed or disabled since.
        Ok(user) => match user.flatten() {
            Some(user) => {
                let user = user.into_user();
                sign_in::open_session(&pages, &asked, &headers, user, own::HOME, None).await
            }
            None => asked.problem(&Problem::LinkGone),
        },
        Err(error) => unreadable(&asked, &error),
    }
}

fn unreadable(asked: &Asked, error: &store::Error) -> Response {
    tracing::error!(error = %chain(error), request_id = %asked.id, "a sign-in link cannot be read");
    asked.problem(&Problem::Internal)
}
