//! Signing in with a password: the form, and what it posts.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Query, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{Asked, AskedOf, Pages, busy_html, form, html, see_other, throttled_html, with_cookie};
use crate::{
    auth::return_target::Return,
    http::site::Host,
    identity::Unavailable,
    route::own,
    secret::Secret,
    session::{self, Check, Handover, Session, User},
    telemetry::{SignIn, chain},
    ui::{self, PasswordField, Problem, SignInPage, SignInState},
};

/// The query of the sign-in page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    /// Where success leads: a path of this host, or a URL of one of our hosts.
    #[serde(rename = "return", default)]
    return_to: String,
    /// Hash of the nonce that the tool's host left with the browser.
    #[serde(default)]
    nonce: Option<String>,
    /// Show the password as it is typed (for browsers without script).
    #[serde(default)]
    show: Option<String>,
}

/// The fields of the form.
#[derive(Deserialize)]
pub(super) struct Filled {
    username: String,
    password: String,
    #[serde(default)]
    csrf: String,
    #[serde(rename = "return", default)]
    return_to: String,
    #[serde(default)]
    nonce: Option<String>,
}

/// GET: the form; whoever is signed in goes straight on.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Response {
    if !asked.on_main_host() {
        return see_other(&asked.page(own::HOME));
    }
    let Ok(Query(wanted)) = wanted else {
        return asked.problem(&Problem::BadRequest("its query names something twice"));
    };
    if let Some(session) = asked.session.clone() {
        return onward(&pages, &asked, &session, &wanted.return_to, wanted.nonce);
    }
    let page = Blank {
        pages: &pages,
        asked: &asked,
        headers: &headers,
    };
    page.render(&wanted, String::new(), SignInState::Fresh)
}

/// POST: checks the password and opens a session.
pub(super) async fn submit(
    State(pages): State<Arc<Pages>>,
    AskedOf(asked): AskedOf,
    headers: HeaderMap,
    filled: Result<Form<Filled>, axum::extract::rejection::FormRejection>,
) -> Response {
    if !asked.on_main_host() {
        return asked.problem(&Problem::NotFound);
    }
    let Ok(Form(filled)) = filled else {
        return asked.problem(&Problem::BadRequest(
            "the form lacks a field or has one twice",
        ));
    };
    let wanted = Wanted {
        return_to: filled.return_to,
        nonce: filled.nonce,
        show: None,
    };
    let again = Blank {
        pages: &pages,
        asked: &asked,
        headers: &headers,
    };
    match form::check(&pages, &asked, &headers, form::Form::SignIn, &filled.csrf) {
        Check::Good => {}
        Check::Stale => return again.render(&wanted, filled.username, SignInState::Stale),
        Check::Bad => {
            let name = Some(filled.username.as_str());
            pages.sign_in_failed(&asked, &headers, name, SignIn::Forged);
            return asked.problem(&Problem::FormRefused);
        }
    }
    let browser = form::browser(&asked, &headers);
    let (client, name) = (asked.client.ip(), &filled.username);
    let attempt = match pages.throttle.attempt(client, name, browser) {
        Ok(attempt) => attempt,
        Err(later) => {
            pages.sign_in_throttled(&asked, &headers, &filled.username, later);
            let state = SignInState::TooMany {
                retry_after: later.0,
            };
            return again.render(&wanted, filled.username, state);
        }
    };
    let password = Secret::new(filled.password);
    let user = match pages.users.verify(&filled.username, &password).await {
        Ok(Some(user)) => user.into_user(),
        Ok(None) => {
            let name = Some(filled.username.as_str());
            pages.sign_in_failed(&asked, &headers, name, SignIn::Wrong);
            return again.render(&wanted, filled.username, SignInState::Wrong);
        }
        Err(error) => {
            attempt.withdrawn();
            tracing::warn!(error = %chain(&error), request_id = %asked.id, "a password was not checked");
            let why = match error {
                Unavailable::Busy => SignIn::Busy,
                Unavailable::Hash | Unavailable::Store(_) => SignIn::Failed,
            };
            pages.sign_in_failed(&asked, &headers, Some(&filled.username), why);
            return again.render(&wanted, filled.username, SignInState::Busy);
        }
    };
    attempt.succeeded();
    let onward = (wanted.return_to.as_str(), wanted.nonce);
    open_session(&pages, &asked, &headers, (user, "password"), onward).await
}

/// Opens a session for a user whose credential was checked by `method`, and leads them on, to where
/// they wanted to return with the nonce of that host. A session that the browser had ends: an id
/// from before sign-in is never worth anything after it.
pub(super) async fn open_session(
    pages: &Pages,
    asked: &Asked,
    headers: &HeaderMap,
    (user, method): (User, &'static str),
    (return_to, nonce): (&str, Option<String>),
) -> Response {
    if let Some(old) = &asked.session {
        pages.end_session(old).await;
    }
    let name = user.name.clone();
    let opened = pages
        .sessions
        .sign_in(user, &asked.host, asked.device(headers))
        .await;
    let failed = |why| pages.sign_in_failed(asked, headers, Some(&name), why);
    let token = match opened {
        Ok(token) => token,
        Err(session::Error::TooMany) => {
            failed(SignIn::Busy);
            return asked.problem(&Problem::Busy);
        }
        Err(error @ session::Error::UserGone) => {
            failed(SignIn::Wrong);
            tracing::info!(%error, request_id = %asked.id, "a sign-in came too late");
            return see_other(own::SIGN_IN);
        }
        Err(error) => {
            failed(SignIn::Failed);
            tracing::error!(error = %chain(&error), request_id = %asked.id, "a sign-in failed");
            return asked.problem(&Problem::Internal);
        }
    };
    let Some(session) = pages.sessions.find(&token, &asked.host) else {
        return see_other(own::SIGN_IN);
    };
    // A reload that came while the password was checked has not seen this session yet; one that
    // comes from here on does.
    if !pages.vouches_for(&session).await {
        failed(SignIn::Wrong);
        pages.end_session(&session).await;
        return see_other(own::SIGN_IN);
    }
    pages.signed_in(asked, &session, method);
    let response = onward(pages, asked, &session, return_to, nonce);
    with_cookie(response, asked.session_cookie(&token))
}

/// Leads a signed-in visitor to where they wanted to go; to another host with a one-time code.
fn onward(
    pages: &Pages,
    asked: &Asked,
    session: &Session,
    return_to: &str,
    nonce: Option<String>,
) -> Response {
    let runtime = &asked.runtime;
    let sites = &runtime.sites;
    let (host, return_path, nonce_hash) = match (asked.target(return_to), nonce) {
        (Return::Host(host, path), Some(nonce)) if asked.hands_over_to(&host) => {
            (host, path, nonce)
        }
        // Another host sends the browser to where it hands over, with a nonce of its own.
        (target, _) => return see_other(&target.location(sites)),
    };
    let enter = format!("{}{}", sites.origin_of(&host), own::ENTER);
    let handover = Handover {
        host,
        return_path,
        session: session.id,
        nonce_hash,
    };
    see_other(&format!(
        "{enter}?code={}",
        pages.handovers.issue(handover).as_str()
    ))
}

impl Asked {
    /// Where a sign-in here leads.
    fn target(&self, return_to: &str) -> Return {
        let runtime = &self.runtime;
        let knows = |host: &Host| runtime.table.knows(host);
        Return::parse(return_to, self.site(), &runtime.sites, knows)
    }

    /// Whether a session of this host is entered on that one: the main site's on hosts of routes. A
    /// session of an alias, plain http perhaps, is worth nothing elsewhere.
    fn hands_over_to(&self, host: &Host) -> bool {
        let sites = &self.runtime.sites;
        self.host == sites.main().host && !sites.is_main_host(host)
    }
}

/// The form, not yet filled in.
struct Blank<'a> {
    pages: &'a Pages,
    asked: &'a Asked,
    headers: &'a HeaderMap,
}

impl Blank<'_> {
    fn render(&self, wanted: &Wanted, username: String, state: SignInState) -> Response {
        let Self {
            pages,
            asked,
            headers,
        } = self;
        let runtime = &asked.runtime;
        let issued = form::issue(pages, asked, headers, form::Form::SignIn);
        let destination = match asked.target(&wanted.return_to) {
            Return::Host(host, _) => Some(runtime.sites.of(&host).authority_of(&host)),
            Return::Here(_) => None,
        };
        let password = if wanted.show.is_some() {
            PasswordField::Readable
        } else {
            PasswordField::Hidden {
                show: wanted.address_with_show(),
            }
        };
        let page = SignInPage {
            csrf: issued.value.clone(),
            return_to: wanted.return_to.clone(),
            nonce: wanted.nonce.clone(),
            username,
            destination,
            state,
            password,
            plain_http: asked.is_plain(),
        };
        let text = ui::sign_in(&runtime.look, &page);
        let response = match state {
            SignInState::Busy => busy_html(text),
            SignInState::Fresh | SignInState::Stale => html(StatusCode::OK, text),
            SignInState::TooMany { retry_after } => throttled_html(text, retry_after),
            SignInState::Wrong => html(StatusCode::UNAUTHORIZED, text),
        };
        issued.with_cookie(response)
    }
}

impl Wanted {
    /// This page once more, with the password readable.
    fn address_with_show(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return", &self.return_to);
        if let Some(nonce) = &self.nonce {
            query.append_pair("nonce", nonce);
        }
        query.append_pair("show", "1");
        format!("{}?{}", own::SIGN_IN, query.finish())
    }
}
