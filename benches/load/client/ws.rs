//! WebSockets by hand: frames that nobody has to look into.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Stream, Transport};
use crate::peers::{Door, HOST};

/// An open WebSocket.
pub(crate) struct WebSocket {
    io: Box<dyn Stream>,
    message: Vec<u8>,
    scratch: Vec<u8>,
}

impl WebSocket {
    /// Opens one whose messages have so many bytes.
    pub(crate) async fn open(
        transport: &Transport,
        door: &Door,
        length: usize,
    ) -> io::Result<Self> {
        let mut io = transport.connect(door).await?;
        let origin = format!("http://{HOST}");
        let (path, cookie) = (door.path("/echo"), &door.cookie);
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             origin: {origin}\r\nsec-websocket-version: 13\r\ncookie: {cookie}\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        io.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(io.read_u8().await?);
        }
        let shown = String::from_utf8_lossy(&answer);
        assert!(shown.starts_with("HTTP/1.1 101"), "{shown}");
        let mut message = Vec::new();
        write_head(&mut message, 0x82, length, Some([1, 2, 3, 4]));
        message.resize(message.len() + length, b'x');
        Ok(Self {
            io,
            scratch: vec![0; message.len()],
            message,
        })
    }

    /// One message there and back.
    pub(crate) async fn echo(&mut self) -> io::Result<()> {
        self.io.write_all(&self.message).await?;
        // The way back has no mask.
        let length = self.message.len() - 4;
        self.io.read_exact(&mut self.scratch[..length]).await?;
        Ok(())
    }
}

/// A frame's head (RFC 6455 §5.2).
pub(crate) fn write_head(out: &mut Vec<u8>, first: u8, length: usize, mask: Option<[u8; 4]>) {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    out.push(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(bit | short),
        (_, Ok(medium)) => {
            out.push(bit | 0x7e);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(bit | 0x7f);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(
        mask.unwrap_or_default()
            .iter()
            .take(4 * usize::from(mask.is_some())),
    );
}
