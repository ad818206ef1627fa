//! HTTP/1.1 by hand: the load must cost less than what it measures.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Stream, Transport};
use crate::peers::Door;

/// A connection that is used again and again.
pub(crate) struct Connection {
    io: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(transport: &Transport, door: &Door) -> io::Result<Self> {
        Ok(Self {
            io: transport.connect(door).await?,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// One exchange; the answer must have this status, and its body is read to its end.
    pub(crate) async fn exchange(&mut self, request: &[u8], status: u16) -> io::Result<u64> {
        self.io.write_all(request).await?;
        self.answer(status).await
    }

    /// One exchange with a body of so many bytes behind the head.
    pub(crate) async fn upload(&mut self, head: &[u8], mut left: usize) -> io::Result<u64> {
        self.io.write_all(head).await?;
        let block = vec![b'x'; 256 * 1024];
        while left > 0 {
            let most = left.min(block.len());
            self.io.write_all(&block[..most]).await?;
            left -= most;
        }
        self.io.flush().await?;
        self.answer(200).await
    }

    async fn answer(&mut self, status: u16) -> io::Result<u64> {
        let mut filled = 0;
        let end = loop {
            let count = self.io.read(&mut self.buffer[filled..]).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += count;
            if let Some(end) = memchr::memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = &self.buffer[..end];
        let found = head.get(9..12).and_then(|text| str::from_utf8(text).ok());
        let shown = || String::from_utf8_lossy(head).into_owned();
        assert_eq!(found, Some(status.to_string().as_str()), "{}", shown());
        let length = content_length(head).unwrap_or_else(|| panic!("no length: {}", shown()));
        let mut body = (filled - end) as u64;
        while body < length {
            let count = self.io.read(&mut self.buffer).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            body += count as u64;
        }
        assert_eq!(body, length);
        Ok(body)
    }
}

fn content_length(head: &[u8]) -> Option<u64> {
    let lines = head.split(|byte| *byte == b'\n');
    let mut values = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked("content-length:".len())?;
        let ours = name.eq_ignore_ascii_case(b"content-length:");
        ours.then(|| str::from_utf8(value).ok()?.trim().parse().ok())?
    });
    values.next()
}
