//! WebSocket handshakes: a connection of its own each, which becomes a bare stream after the 101.
//!
//! RFC 6455 §4.2.2, RFC 9110 §7.8. A refusal is an answer like any other.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
    response,
};
use hyper::upgrade::OnUpgrade;

use super::{
    Error, Pool, Timeouts,
    body::UpstreamBody,
    connection::{
        Connection, Driver, RequestBody, failed, handshake, prepare, protocol, too_slow, within,
    },
    framing,
    pool::is_ours,
    rack::{Home, Lease, Tunnel},
    target::Targets,
};
use crate::wire::Stream;

/// What became of a handshake.
#[derive(Debug)]
pub enum Upgraded<B: RequestBody> {
    /// The upstream refused; an answer like any other, whose connection is not used again.
    Refused(Response<UpstreamBody<B>>),
    /// The upstream speaks WebSocket now.
    Switched {
        /// The 101, to be passed on. `Upgrade` and `Sec-WebSocket-Accept` are what they must be.
        head: response::Parts,
        /// The bare stream.
        io: Stream,
        /// What came with the 101; the first bytes of the stream.
        early: Bytes,
        /// To be held while the stream is open.
        tunnel: Tunnel,
    },
}

impl<B: RequestBody> Pool<B> {
    /// Sends a WebSocket handshake on a connection of its own, never twice. It does not count as
    /// a running request, before the 101 or after it.
    ///
    /// `request` is as for [`Pool::send`], with its `Upgrade`, `Connection` and `Sec-WebSocket-*`
    /// fields; so are the others.
    pub async fn upgrade(
        &self,
        targets: &Targets,
        request: Request<B>,
        timeouts: &Timeouts,
        told: &Cell<Option<usize>>,
    ) -> Result<Upgraded<B>, Error> {
        debug_assert!(
            is_ours(&request),
            "origin form and one Host, {:?}",
            request.uri()
        );
        let expected = request.headers().get(SEC_WEBSOCKET_KEY).map(accept);
        let mut way = self.way(targets, told);
        let (rack, tunnel, io) = loop {
            let (rack, trial) = way.next()?;
            let tunnel = rack.tunnel();
            if let Some(io) = way.dial(&rack, trial, timeouts.connect).await? {
                break (rack, tunnel, io);
            }
        };
        let name = rack.name().to_owned();
        drop(rack);
        let closed = |source| Error::Closed {
            target: name.clone(),
            source,
        };
        let (mut sender, link, mut driver) = handshake(io).await.map_err(closed)?;
        let mut finished = None;
        let request = prepare(request, &link);
        let answer = sender.try_send_request(request);
        let answer = driven(answer, &mut driver, &mut finished);
        let Some(answer) = within(answer, &link, timeouts.response).await else {
            return Err(too_slow(&name, timeouts.response));
        };
        let mut response = answer.map_err(|error| failed(error, &name, &link).error)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            link.progressed();
            framing::settle(response.headers_mut()).map_err(|what| protocol(&name, what))?;
            let rest = async move {
                match finished {
                    Some(result) => result,
                    None => driver.await,
                }
            };
            let connection = Connection::spawn(sender, link, rest);
            let lease = Lease::new(connection, Home::None(name));
            let response = response.map(|body| UpstreamBody::new(body, lease, timeouts.stall));
            return Ok(Upgraded::Refused(response));
        }
        let (mut head, _) = response.into_parts();
        head.extensions.remove::<OnUpgrade>();
        if !is_websocket(&head, expected.as_deref()) {
            return Err(protocol(
                &name,
                "answers a WebSocket handshake with a wrong 101",
            ));
        }
        let parts = match finished {
            Some(result) => result.map(|()| driver.into_parts()),
            None => driver.without_shutdown().await,
        };
        let parts = parts.map_err(closed)?;
        Ok(Upgraded::Switched {
            head,
            io: parts.io.into_inner().into_inner(),
            // A copy, since the original holds on to hyper's whole read buffer.
            early: Bytes::copy_from_slice(&parts.read_buf),
            tunnel,
        })
    }
}

/// Waits for the answer while driving the connection; nothing is spawned that would own it.
async fn driven<B, F>(
    answer: F,
    driver: &mut Driver<B>,
    finished: &mut Option<hyper::Result<()>>,
) -> F::Output
where
    B: RequestBody,
    F: Future,
{
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        if finished.is_none()
            && let Poll::Ready(result) = Pin::new(&mut *driver).poll_without_shutdown(cx)
        {
            *finished = Some(result);
        }
        answer.as_mut().poll(cx)
    })
    .await
}

/// Whether a browser would take it for a WebSocket (RFC 6455 §4.1).
fn is_websocket(head: &response::Parts, expected: Option<&str>) -> bool {
    let upgrade = only(&head.headers, &UPGRADE);
    let accept = only(&head.headers, &SEC_WEBSOCKET_ACCEPT);
    let mut connection = head.headers.get_all(CONNECTION).iter();
    head.version == Version::HTTP_11
        && connection.any(names_upgrade)
        && upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && accept.is_some()
        && accept == expected.map(str::as_bytes)
}

/// The value of a field that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then(|| first.as_bytes())
}

fn names_upgrade(line: &HeaderValue) -> bool {
    let mut tokens = line.as_bytes().split(|byte| *byte == b',');
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// The only right `Sec-WebSocket-Accept` for this key.
fn accept(key: &HeaderValue) -> String {
    let text = [key.as_bytes(), GUID].concat();
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))
}

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
