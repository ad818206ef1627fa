//! What is written in the audit log: every event with its fields. `docs/audit.md` has the same list, and
//! a test holds the two together.

use std::{fmt::Display, net::IpAddr, time::Duration};

use crate::telemetry::RequestId;

/// What a field holds.
pub(super) enum Value<'a> {
    Number(u64),
    Seconds(Duration),
    /// Cleaned and cut short when it is written.
    Text(&'a dyn Display),
}

/// What can be a field. `None`: the field is left out.
trait Field {
    fn value(&self) -> Option<Value<'_>>;
}

/// Makes the enum, and from the same list the names of events and fields.
macro_rules! events {
    ($(
        $(#[$about:meta])*
        $event:ident = $name:literal {
            $($(#[$what:meta])* $field:ident: $type:ty,)*
        }
    )*) => {
        /// Something that an operator may have to account for. No field ever holds a secret; what
        /// clients wrote is cleaned where a line is made of it.
        #[derive(Clone, Copy, Debug)]
        pub enum Event<'a> {
            $(
                $(#[$about])*
                $event { $($(#[$what])* $field: $type,)* },
            )*
        }

        impl Event<'_> {
            /// Its name in the log, which never changes.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$event { .. } => $name,)*
                }
            }

            /// Says its fields, in their order.
            pub(super) fn say(&self, to: &mut dyn FnMut(&'static str, Value<'_>)) {
                match self {
                    $(Self::$event { $($field,)* } => {
                        $(if let Some(value) = $field.value() {
                            to(stringify!($field), value);
                        })*
                    })*
                }
            }

            /// Every event with all fields that it may have.
            #[cfg(test)]
            pub(super) const LIST: &'static [(&'static str, &'static [&'static str])] =
                &[$(($name, &[$(stringify!($field),)*]),)*];
        }
    };
}

events! {
    /// Somebody with the right to do so changed users, sessions or the server itself.
    AdminAct = "admin-act" {
        /// Who: `operator` is whoever came by the admin socket.
        actor: &'a str,
        /// What was done, a constant word: `user-added`, `user-disabled`, `session-revoked`, …
        act: &'static str,
        /// To whom.
        user: Option<&'a str>,
        /// To what else: a session id, a name.
        object: Option<&'a str>,
    }
    /// A configuration was not taken; the old one stays.
    ConfigurationRefused = "configuration-refused" {
        /// Which one stays: 0 is the one of the start.
        generation: u64,
    }
    /// New requests are served by another configuration.
    ConfigurationReloaded = "configuration-reloaded" {
        /// How many there were since the start.
        generation: u64,
    }
    /// A one-time code between hosts was not taken.
    HandoverRefused = "handover-refused" {
        /// `browser`, `host`, `unknown` or `used`.
        reason: &'static str,
        /// The tool's host that got it.
        host: &'a str,
        /// From where.
        client: IpAddr,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// A session was entered on a further host.
    HandedOver = "handed-over" {
        /// Whose.
        user: &'a str,
        /// Its public id.
        session: &'a str,
        /// The tool's host.
        host: &'a str,
        /// From where.
        client: IpAddr,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// Lines of this log were lost, since nobody took them in time or they could not be written.
    LinesDropped = "lines-dropped" {
        /// How many since the last such line.
        count: u64,
    }
    /// A one-time link was made.
    LinkMade = "link-made" {
        /// For whom.
        user: &'a str,
        /// `sign-in` or `set-password`.
        kind: &'static str,
        /// By whom, as in `admin-act`.
        actor: &'a str,
    }
    /// A one-time link was used up.
    LinkUsed = "link-used" {
        /// Whose it was.
        user: &'a str,
        /// `sign-in` or `set-password`.
        kind: &'static str,
        /// From where.
        client: IpAddr,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// A user has a new password; all their sessions end.
    PasswordChanged = "password-changed" {
        /// Whose.
        user: &'a str,
        /// How they showed who they are: `password` or `link`.
        method: &'static str,
        /// From where.
        client: IpAddr,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// Somebody signed in asked for a new password and did not know the current one.
    PasswordChangeFailed = "password-change-failed" {
        /// Whose.
        user: &'a str,
        /// `throttled` or `wrong`.
        reason: &'static str,
        /// From where.
        client: IpAddr,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// Policy or the cross-site rules refused a request. Those alike are counted, see `repeated`.
    Refused = "refused" {
        /// `denied`, `sign-in-required`, `cross-site-form`, `cross-site-load`, `cross-site-method`,
        /// `cross-site-websocket`, or `form`: a form of ours without its anti-forgery value.
        reason: &'static str,
        /// Who is signed in.
        user: Option<&'a str>,
        /// Which route; none for our own pages.
        route: Option<&'a str>,
        /// As the client sent it.
        method: &'a str,
        /// As the client sent it.
        host: &'a str,
        /// As the client sent it, without the query.
        path: &'a str,
        /// From where.
        client: IpAddr,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// Events alike came within a minute after the one that was written.
    Repeated = "repeated" {
        /// The name of the event.
        event: &'static str,
        /// Its reason.
        reason: &'static str,
        /// Its route.
        route: Option<&'a str>,
        /// From where: an address, or the first of an IPv6 /64; none for many.
        client: Option<IpAddr>,
        /// How many, without the one that was written.
        count: u64,
        /// Over how long.
        seconds: Duration,
    }
    /// The server serves.
    ServerStarted = "server-started" {
        /// Of labgate.
        version: &'static str,
    }
    /// The server has finished what was under way.
    ServerStopped = "server-stopped" {}
    /// A session is over, on every host.
    SessionEnded = "session-ended" {
        /// `expired`, `replaced`, `revoked`, `signed-out` or `user-removed`.
        reason: &'static str,
        /// Whose it was.
        user: &'a str,
        /// Its public id.
        session: &'a str,
    }
    /// Somebody signed in.
    SignedIn = "signed-in" {
        /// Who.
        user: &'a str,
        /// Who vouches for them: `config`, `htpasswd` or `local`.
        provider: &'a str,
        /// `password`, `link` or `new-password`.
        method: &'static str,
        /// The public id of the new session.
        session: &'a str,
        /// From where.
        client: IpAddr,
        /// The browser, by its `User-Agent`.
        device: &'a str,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// Somebody did not get in.
    SignInFailed = "sign-in-failed" {
        /// `busy`, `failed` (a fault of ours), `forged`, `link-gone` or `wrong`.
        reason: &'static str,
        /// The name as it was typed.
        name: Option<&'a str>,
        /// From where.
        client: IpAddr,
        /// The browser, by its `User-Agent`.
        device: &'a str,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// A sign-in was not looked at, after too many failures. Those alike are counted, see `repeated`.
    SignInThrottled = "sign-in-throttled" {
        /// The name as it was typed.
        name: &'a str,
        /// How long the next attempt has to wait.
        retry_after: Duration,
        /// From where.
        client: IpAddr,
        /// The browser, by its `User-Agent`.
        device: &'a str,
        /// What the client was told to quote.
        request_id: RequestId,
    }
    /// A tunnel (a WebSocket) is over.
    TunnelClosed = "tunnel-closed" {
        /// `client`, `upstream`, `stalled`, `route-gone`, `session-ended`, `shutting-down`, or `cut`
        /// where it did not come to a close.
        reason: &'static str,
        /// Who is signed in.
        user: Option<&'a str>,
        /// The public id of their session.
        session: Option<&'a str>,
        /// Which route.
        route: Option<&'a str>,
        /// From where.
        client: IpAddr,
        /// Of all bytes from the client.
        bytes_in: u64,
        /// Of all bytes to the client.
        bytes_out: u64,
        /// From the request on.
        seconds: Duration,
        /// The same as when it opened.
        request_id: RequestId,
    }
    /// A tunnel (a WebSocket) opened.
    TunnelOpened = "tunnel-opened" {
        /// Who is signed in.
        user: Option<&'a str>,
        /// The public id of their session.
        session: Option<&'a str>,
        /// Which route.
        route: Option<&'a str>,
        /// From where.
        client: IpAddr,
        /// The same as in the access log.
        request_id: RequestId,
    }
}

impl Field for &str {
    fn value(&self) -> Option<Value<'_>> {
        Some(Value::Text(self))
    }
}

impl Field for Duration {
    fn value(&self) -> Option<Value<'_>> {
        Some(Value::Seconds(*self))
    }
}

impl Field for IpAddr {
    fn value(&self) -> Option<Value<'_>> {
        Some(Value::Text(self))
    }
}

impl<T: Field> Field for Option<T> {
    fn value(&self) -> Option<Value<'_>> {
        self.as_ref()?.value()
    }
}

impl Field for RequestId {
    fn value(&self) -> Option<Value<'_>> {
        Some(Value::Text(self))
    }
}

impl Field for u64 {
    fn value(&self) -> Option<Value<'_>> {
        Some(Value::Number(*self))
    }
}
