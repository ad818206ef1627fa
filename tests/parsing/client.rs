//! The client of a case: sends its bytes in pieces, reads what comes until the connection ends.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    task::yield_now,
};

use crate::{
    case::{Case, NEXT},
    support::within,
};

/// How the bytes of a case are split.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Split {
    /// Byte by byte; what is long in pieces of 1021.
    Bytes,
    Halves,
    Whole,
}

/// All of them.
pub(crate) const SPLITS: [Split; 3] = [Split::Whole, Split::Halves, Split::Bytes];

/// Sends a case from an address of its own; what comes back. The server must end the connection.
pub(crate) async fn talk(server: SocketAddr, from: Ipv4Addr, case: &Case, split: Split) -> Vec<u8> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream = within("connect", socket.connect(server)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut read, mut write) = stream.into_split();
    let mut bytes = case.sends.clone();
    if !case.cut_short {
        bytes.extend_from_slice(NEXT);
    }
    let send = async {
        let size = match split {
            Split::Bytes if bytes.len() > 4096 => 1021,
            Split::Bytes => 1,
            Split::Halves => case.sends.len().div_ceil(2).max(1),
            Split::Whole => bytes.len().max(1),
        };
        for piece in bytes.chunks(size) {
            // A server that has refused need not read on.
            if write.write_all(piece).await.is_err() {
                break;
            }
            yield_now().await;
        }
        if case.cut_short {
            drop(write.shutdown().await);
        }
        // Kept: its drop would end this side.
        write
    };
    let receive = async {
        let mut answer = Vec::new();
        while let Ok(1..) = read.read_buf(&mut answer).await {}
        answer
    };
    let both = async { tokio::join!(send, receive) };
    within(case.name, both).await.1
}

/// The statuses in what came back; 0 for what is no HTTP/1 answer.
pub(crate) fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !bytes.is_empty() {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            statuses.push(0);
            break;
        };
        let (head, rest) = bytes.split_at(end + 4);
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.").and_then(|head| head.get(2..5));
        let Some(status) = status.and_then(|status| status.parse().ok()) else {
            statuses.push(0);
            break;
        };
        statuses.push(status);
        if status == 101 {
            break;
        }
        let length = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse().ok());
        // An answer to HEAD has a length and no content.
        let content: usize = if rest.starts_with(b"HTTP/1.") {
            0
        } else {
            length.unwrap_or(0)
        };
        bytes = &rest[content.min(rest.len())..];
    }
    statuses
}
