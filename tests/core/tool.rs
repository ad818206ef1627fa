//! A tool of a few canned answers, chosen by the path.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

/// A tool on a port of its own.
pub(crate) struct Tool {
    pub(crate) address: SocketAddr,
    ended: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Tool {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new((Mutex::default(), Condvar::new()));
        let ends = Arc::clone(&ended);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let ends = Arc::clone(&ends);
                thread::spawn(move || serve(&stream, &ends));
            }
        });
        Self { address, ended }
    }

    /// Whether the connection on which this path was asked for is closed, or will be within `limit`.
    pub(crate) fn is_let_go(&self, path: &str, limit: Duration) -> bool {
        let (paths, changed) = &*self.ended;
        let is_missing = |paths: &mut Vec<String>| !paths.iter().any(|ended| ended == path);
        let waited = changed.wait_timeout_while(paths.lock().unwrap(), limit, is_missing);
        !waited.unwrap().1.timed_out()
    }
}

fn serve(stream: &TcpStream, ended: &(Mutex<Vec<String>>, Condvar)) {
    let mut reader = BufReader::new(stream);
    while let Some((path, length)) = head(&mut reader) {
        let mut writer = stream;
        let kept = match path.trim_start_matches("/shared") {
            // Says nothing until the other side is gone.
            "/silent" => false,
            // More than anybody takes.
            "/endless" => {
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                drop(writer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"));
                while writer.write_all(chunk.as_bytes()).is_ok() {}
                false
            }
            // An answer without an end.
            "/dies" => {
                let half = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
                drop(writer.write_all(half.as_bytes()));
                return;
            }
            "/websocket" => {
                let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                            upgrade: websocket\r\n\
                            sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
                drop(writer.write_all(head.as_bytes()));
                false
            }
            _ => {
                let mut body = vec![0; length];
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                reader.read_exact(&mut body).is_ok() && writer.write_all(answer).is_ok()
            }
        };
        if !kept {
            drop(std::io::copy(&mut reader, &mut std::io::sink()));
            ended.0.lock().unwrap().push(path);
            ended.1.notify_all();
            return;
        }
    }
}

/// Path and content-length of the next request.
fn head(reader: &mut impl BufRead) -> Option<(String, usize)> {
    let mut lines = reader.lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    Some((path, length))
}
