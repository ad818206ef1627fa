//! A file as the body of an answer, read as it is taken; nothing holds all of it.

use std::{
    fs::File,
    io::{self, Read, Seek},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

/// All of a file. Must run inside a runtime.
pub(super) fn of(mut file: File) -> Response {
    let length = file.metadata().map(|found| found.len()).unwrap_or_default();
    let (pieces, body) = mpsc::channel(PIECES);
    drop(tokio::task::spawn_blocking(move || {
        let begun = file.rewind();
        let sent = begun.and_then(|()| send(&mut file, &pieces));
        if let Err(error) = sent {
            // Whoever asked may have gone.
            drop(pieces.blocking_send(Err(error)));
        }
    }));
    let mut response = Body::new(Pieces(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    response
}

fn send(file: &mut File, pieces: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    loop {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece)?;
        piece.truncate(read);
        if read == 0 || pieces.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}

/// A body of pieces that come from another thread.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

const PIECE: usize = 64 * 1024;
const PIECES: usize = 4;
