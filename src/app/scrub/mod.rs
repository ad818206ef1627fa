//! Blanks a tool's token in its pages, for tools that show it to whoever they think knows it.
//!
//! In: an answer of the tool. Out: the same, whose HTML never holds the token, however it is cut
//! into chunks. A page of known size up to 1 MiB is collected and the token replaced by nothing,
//! which is what the tool's own pages say when they have none. This is the one place where a body
//! is buffered. Any other page streams, and the token is overwritten by as many other bytes.
//! Not here: which routes need it (`Adapter::needles`). RFC 9110 §8.8.1 (weak validators).

mod needles;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG},
    response,
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use pin_project_lite::pin_project;

pub use self::needles::Needles;

/// Why a page cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The tool's connection failed before the page was whole.
    #[error("the page did not arrive whole")]
    Body(#[source] E),
    /// The page is compressed although that was not asked for, so its token cannot be found.
    #[error("a page that may show the token came compressed")]
    Encoded,
}

pin_project! {
    /// The body of an answer that went through [`page`].
    #[derive(Debug)]
    pub struct Page<B> {
        #[pin]
        way: Way<B>,
    }
}

pin_project! {
    #[project = WayProjection]
    #[derive(Debug)]
    enum Way<B> {
        // No HTML, or empty.
        Passed { #[pin] body: B },
        // Overwritten as it streams.
        Streamed { #[pin] body: B, blank: Blank },
        // Collected and blanked.
        Whole { rest: Option<Bytes> },
    }
}

/// Overwrites tokens in a text that comes in pieces.
#[derive(Debug)]
pub struct Blank {
    needles: Arc<Needles>,
    /// What may be the beginning of a token. Shorter than the longest spelling.
    held: Vec<u8>,
}

/// Blanks the token in an answer if it is HTML. Waits for pages that are collected.
pub async fn page<B>(
    needles: &Arc<Needles>,
    answer: Response<B>,
) -> Result<Response<Page<B>>, Error<B::Error>>
where
    B: Body<Data = Bytes>,
{
    let (mut parts, body) = answer.into_parts();
    if !is_html(&parts.headers) || body.is_end_stream() {
        return Ok(Response::from_parts(parts, Way::Passed { body }.into()));
    }
    if is_encoded(&parts.headers) {
        return Err(Error::Encoded);
    }
    let small = body.size_hint().exact().is_some_and(|size| size <= WHOLE);
    if !small || parts.status == StatusCode::PARTIAL_CONTENT {
        weaken(&mut parts.headers);
        let blank = Blank::new(Arc::clone(needles));
        return Ok(Response::from_parts(
            parts,
            Way::Streamed { body, blank }.into(),
        ));
    }
    let whole = body.collect().await.map_err(Error::Body)?.to_bytes();
    let whole = match needles.remove(&whole) {
        Some(blanked) => {
            announce(&mut parts, blanked.len());
            Bytes::from(blanked)
        }
        None => whole,
    };
    let rest = Some(whole).filter(|whole| !whole.is_empty());
    Ok(Response::from_parts(parts, Way::Whole { rest }.into()))
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().any(|value| {
        let media = value.as_bytes().split(|byte| *byte == b';').next();
        media.is_some_and(|media| {
            let media = media.trim_ascii();
            media.eq_ignore_ascii_case(b"text/html")
                || media.eq_ignore_ascii_case(b"application/xhtml+xml")
        })
    })
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The head of a page whose bytes have changed.
fn announce(parts: &mut response::Parts, length: usize) {
    parts.headers.insert(CONTENT_LENGTH, length.into());
    weaken(&mut parts.headers);
}

/// Makes a strong validator weak: the bytes are no longer those that the tool vouched for.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG) else {
        return;
    };
    if !tag.as_bytes().starts_with(b"W/") {
        match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
            Ok(weak) => headers.insert(ETAG, weak),
            Err(_) => headers.remove(ETAG),
        };
    }
}

impl<B> From<Way<B>> for Page<B> {
    fn from(way: Way<B>) -> Self {
        Self { way }
    }
}

impl Blank {
    /// Starts a text.
    pub const fn new(needles: Arc<Needles>) -> Self {
        Self {
            needles,
            held: Vec::new(),
        }
    }

    /// Takes the next piece in and gives out what can be judged: all of it, unless its end may be
    /// the beginning of a token. Copies only if something is held or overwritten.
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        let mut text = if self.held.is_empty() && !self.needles.are_in(&piece) {
            piece
        } else {
            let mut text = std::mem::take(&mut self.held);
            text.extend_from_slice(&piece);
            self.needles.overwrite(&mut text);
            text.into()
        };
        let begun = self.needles.begun(&text);
        self.held = text.split_off(text.len() - begun).to_vec();
        text
    }

    /// What is still held when the text is over, since it did not become a token.
    pub fn finish(&mut self) -> Option<Bytes> {
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then(|| held.into())
    }
}

impl<B: Body<Data = Bytes>> Body for Page<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().way.project() {
            WayProjection::Passed { body } => body.poll_frame(cx),
            WayProjection::Whole { rest } => Poll::Ready(rest.take().map(Frame::data).map(Ok)),
            WayProjection::Streamed { mut body, blank } => loop {
                if body.is_end_stream() {
                    return Poll::Ready(blank.finish().map(Frame::data).map(Ok));
                }
                match ready!(body.as_mut().poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        // Trailers of a page that we overwrite are dropped: what is held has to go
                        // before them.
                        let judged = frame.into_data().ok().map(|piece| blank.push(piece));
                        if let Some(judged) = judged.filter(|judged| !judged.is_empty()) {
                            return Poll::Ready(Some(Ok(Frame::data(judged))));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(blank.finish().map(Frame::data).map(Ok)),
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.way {
            Way::Passed { body } => body.is_end_stream(),
            Way::Streamed { body, blank } => body.is_end_stream() && blank.held.is_empty(),
            Way::Whole { rest } => rest.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.way {
            Way::Passed { body } => body.size_hint(),
            Way::Streamed { body, blank } => longer(&body.size_hint(), blank.held.len() as u64),
            Way::Whole { rest } => {
                SizeHint::with_exact(rest.as_ref().map_or(0, |rest| rest.len() as u64))
            }
        }
    }
}

fn longer(hint: &SizeHint, by: u64) -> SizeHint {
    let mut longer = SizeHint::new();
    longer.set_lower(hint.lower().saturating_add(by));
    if let Some(upper) = hint.upper() {
        longer.set_upper(upper.saturating_add(by));
    }
    longer
}

/// Pages up to here are collected.
const WHOLE: u64 = 1 << 20;

#[cfg(test)]
mod tests;
