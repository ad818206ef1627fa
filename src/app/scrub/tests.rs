use std::{collections::VecDeque, convert::Infallible};

use proptest::prelude::*;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// A body in given pieces, of known size or not.
struct Pieces {
    left: VecDeque<Bytes>,
    sized: bool,
}

impl Pieces {
    fn of(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>, sized: bool) -> Self {
        let left = pieces
            .into_iter()
            .map(|piece| Bytes::copy_from_slice(piece.as_ref()))
            .collect();
        Self { left, sized }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact(self.left.iter().map(|piece| piece.len() as u64).sum())
        } else {
            SizeHint::default()
        }
    }
}

fn answer(fields: &[(&'static str, &'static str)], body: Pieces) -> Response<Pieces> {
    let mut response = Response::new(body);
    for (name, value) in fields {
        response
            .headers_mut()
            .insert(*name, HeaderValue::from_static(value));
    }
    response
}

/// The head and the pieces that come out.
fn through(answer: Response<Pieces>) -> Result<(response::Parts, Vec<Bytes>), Error<Infallible>> {
    let needles = Arc::new(Needles::new(TOKEN));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (parts, mut body) = page(&needles, answer).await?.into_parts();
        let mut pieces = Vec::new();
        let mut announced = body.size_hint().exact();
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            if let Some(left) = &mut announced {
                *left -= piece.len() as u64;
                assert_eq!(body.size_hint().exact(), Some(*left));
            }
            pieces.push(piece);
        }
        assert!(announced.is_none_or(|left| left == 0));
        Ok((parts, pieces))
    })
}

const HTML: (&str, &str) = ("content-type", "Text/HTML; charset=utf-8");

#[test]
fn a_page_of_known_size_loses_its_token_and_says_its_new_length() {
    let text = format!("<script>{{\"token\": \"{TOKEN}\", \"x\": \"{TOKEN}\"}}</script>");
    let fields = [HTML, ("etag", "\"strong\""), ("content-length", "999")];
    let pieces = text.as_bytes().chunks(20);
    let (parts, pieces) = through(answer(&fields, Pieces::of(pieces, true))).unwrap();
    let blanked = "<script>{\"token\": \"\", \"x\": \"\"}</script>";
    assert_eq!(pieces.concat(), blanked.as_bytes());
    assert_eq!(
        parts.headers[CONTENT_LENGTH],
        blanked.len().to_string().as_str()
    );
    assert_eq!(parts.headers[ETAG], "W/\"strong\"");
}

#[test]
fn a_page_without_the_token_and_what_is_no_page_pass_unchanged() {
    let fields = [HTML, ("etag", "\"strong\""), ("content-length", "2")];
    let (parts, pieces) = through(answer(&fields, Pieces::of(["hi"], true))).unwrap();
    assert_eq!(pieces, ["hi"]);
    assert_eq!(parts.headers[ETAG], "\"strong\"");
    let json = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let (_, pieces) = through(answer(&json, Pieces::of([TOKEN], true))).unwrap();
    assert_eq!(pieces, [TOKEN]);
}

#[test]
fn an_answer_without_a_body_keeps_the_length_it_announces() {
    let fields = [
        HTML,
        ("content-length", "4711"),
        ("content-encoding", "gzip"),
    ];
    let (parts, pieces) = through(answer(&fields, Pieces::of([""; 0], true))).unwrap();
    assert!(pieces.is_empty());
    assert_eq!(parts.headers[CONTENT_LENGTH], "4711");
}

#[test]
fn a_page_of_unknown_size_streams_and_keeps_its_length() {
    let text = format!("<p>{TOKEN}</p>");
    let pieces = text.as_bytes().chunks(7);
    let (parts, pieces) = through(answer(&[HTML], Pieces::of(pieces, false))).unwrap();
    let expected = format!("<p>{}</p>", "*".repeat(TOKEN.len()));
    assert_eq!(pieces.concat(), expected.as_bytes());
    assert!(!parts.headers.contains_key(CONTENT_LENGTH));
}

#[test]
fn a_page_that_streams_is_not_held_back_where_no_token_can_begin() {
    let pieces = ["<p>step 1</p>", "<p>step 2 012", "x</p>"];
    let (_, out) = through(answer(&[HTML], Pieces::of(pieces, false))).unwrap();
    assert_eq!(out, ["<p>step 1</p>", "<p>step 2 ", "012x</p>"]);
}

#[test]
fn a_large_page_is_overwritten_as_it_streams() {
    let mut text = vec![b'-'; usize::try_from(WHOLE).unwrap()];
    text.extend_from_slice(TOKEN.as_bytes());
    let length = text.len();
    let pieces = text.chunks(1000);
    let (_, pieces) = through(answer(&[HTML], Pieces::of(pieces, true))).unwrap();
    let out = pieces.concat();
    assert_eq!(out.len(), length);
    assert!(out.ends_with(b"***"));
}

#[test]
fn a_part_of_a_page_keeps_its_length() {
    let mut partial = answer(
        &[HTML, ("content-range", "bytes 0-47/99")],
        Pieces::of([TOKEN], true),
    );
    *partial.status_mut() = StatusCode::PARTIAL_CONTENT;
    let (_, pieces) = through(partial).unwrap();
    assert_eq!(pieces.concat(), "*".repeat(TOKEN.len()).as_bytes());
}

#[test]
fn a_compressed_page_is_refused() {
    let fields = [HTML, ("content-encoding", "gzip")];
    let refused = through(answer(&fields, Pieces::of(["x"], false)));
    assert!(matches!(refused, Err(Error::Encoded)));
    let fields = [HTML, ("content-encoding", "Identity")];
    assert!(through(answer(&fields, Pieces::of(["x"], false))).is_ok());
}

proptest! {
    /// However a page is cut, no token leaves, and every other byte does.
    #[test]
    fn no_output_holds_the_token_whatever_the_chunks(
        texts in prop::collection::vec("[a-f0-9]{0,60}", 1..6),
        sizes in prop::collection::vec(1usize..70, 1..30),
        sized: bool,
    ) {
        let page = texts.join(TOKEN).into_bytes();
        let mut rest = page.as_slice();
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let (_, out) = through(answer(&[HTML], Pieces::of(pieces, sized))).unwrap();
        let out = out.concat();
        prop_assert!(!Needles::new(TOKEN).are_in(&out));
        let others = |text: &[u8]| text.iter().filter(|byte| **byte != b'*').count();
        prop_assert_eq!(others(&out), page.len() - TOKEN.len() * (texts.len() - 1));
        prop_assert!(sized || out.len() == page.len());
    }
}
