//! An HTTP/1 client that writes what it is told to.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// No wait of a test is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: Vec<u8>,
}

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// A GET; `fields` are whole lines.
    pub(crate) fn get(&mut self, host: &str, path: &str, fields: &str) -> Answer {
        self.send(format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"
        ));
        self.answer()
    }

    /// A form.
    pub(crate) fn post(&mut self, host: &str, path: &str, cookies: &str, form: &str) -> Answer {
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookies}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        ));
        self.answer()
    }

    /// The next answer; its body by its length, or to the end of the stream.
    pub(crate) fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.more(), "the connection ended before an answer");
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        let length = answer.field("content-length").map(|n| n.parse().unwrap());
        if answer.status >= 200 {
            while length.is_none_or(|length: usize| self.read.len() < length) && self.more() {}
            let length = length.unwrap_or(self.read.len()).min(self.read.len());
            answer.body = self.read.drain(..length).collect();
        }
        answer
    }

    /// What comes until the other side ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.read)
    }

    /// Reads once; false at the end, however it came.
    fn more(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came in time"),
            Err(_) => false,
        }
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The cookie that it sets, as `name=value`.
    pub(crate) fn cookie(&self) -> String {
        let set = self.field("set-cookie").unwrap_or_default();
        set.split(';').next().unwrap_or_default().to_owned()
    }

    /// The value of a hidden field of the form in it.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let text = self.text();
        let (_, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{text}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
