//! What the audit log and the metrics are told of sign-ins and forms.

use http::HeaderMap;

use super::{Asked, Pages};
use crate::{
    client,
    identity::{LinkKind, TryLater},
    session::Session,
    telemetry::{
        SignIn,
        audit::{Alike, Event},
    },
};

impl Pages {
    /// A session began; `method` is `password`, `link` or `new-password`.
    pub(super) fn signed_in(&self, asked: &Asked, session: &Session, method: &'static str) {
        self.sign_ins.count(SignIn::Success);
        self.audit.write(&Event::SignedIn {
            user: &session.user.name,
            provider: &session.user.provider,
            method,
            session: &session.id.to_string(),
            client: asked.client.ip(),
            device: &session.device.agent,
            request_id: asked.id,
        });
    }

    /// No session began. `name` is as it was typed.
    pub(super) fn sign_in_failed(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
        name: Option<&str>,
        why: SignIn,
    ) {
        self.sign_ins.count(why);
        let event = Event::SignInFailed {
            reason: why.name(),
            name,
            client: asked.client.ip(),
            device: &asked.device(headers).agent,
            request_id: asked.id,
        };
        if why == SignIn::Wrong {
            // The throttle bounds these, and each name counts.
            self.audit.write(&event);
        } else {
            self.audit.write_first(asked.alike(why.name()), &event);
        }
    }

    /// An attempt was not looked at.
    pub(super) fn sign_in_throttled(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
        name: &str,
        later: TryLater,
    ) {
        self.sign_ins.count(SignIn::Throttled);
        let event = Event::SignInThrottled {
            name,
            retry_after: later.0,
            client: asked.client.ip(),
            device: &asked.device(headers).agent,
            request_id: asked.id,
        };
        self.audit.write_first(asked.alike("throttled"), &event);
    }

    /// A link was used up.
    pub(super) fn link_used(&self, asked: &Asked, user: &str, kind: LinkKind) {
        self.audit.write(&Event::LinkUsed {
            user,
            kind: kind.name(),
            client: asked.client.ip(),
            request_id: asked.id,
        });
    }

    /// A user chose a new password; `method` is `password` or `link`.
    pub(super) fn password_changed(&self, asked: &Asked, user: &str, method: &'static str) {
        self.audit.write(&Event::PasswordChanged {
            user,
            method,
            client: asked.client.ip(),
            request_id: asked.id,
        });
    }

    /// The current password was not known, or not looked at.
    pub(super) fn password_change_failed(&self, asked: &Asked, user: &str, why: SignIn) {
        let event = Event::PasswordChangeFailed {
            user,
            reason: why.name(),
            client: asked.client.ip(),
            request_id: asked.id,
        };
        self.audit.write_first(asked.alike(why.name()), &event);
    }

    /// A form of somebody who is signed in had no anti-forgery value of theirs.
    pub(super) fn form_refused(&self, asked: &Asked, session: &Session, path: &str) {
        let event = Event::Refused {
            reason: "form",
            user: Some(&session.user.name),
            route: None,
            method: "POST",
            host: asked.host.as_str(),
            path,
            client: asked.client.ip(),
            request_id: asked.id,
        };
        self.audit.write_first(asked.alike("form"), &event);
    }
}

impl Asked {
    /// What is alike, of what anybody can cause at our own pages.
    pub(super) fn alike(&self, reason: &'static str) -> Alike<'static> {
        Alike {
            reason,
            route: None,
            network: client::network(self.client.ip()),
        }
    }
}
