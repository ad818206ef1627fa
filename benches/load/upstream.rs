//! The upstream of everybody, in a process of its own. It says what a target costs that does no
//! more than answer, too ("direct").
//!
//! `GET` of `/small` gives 128 bytes, `/bytes/N` gives N; any body is read and thrown away; an
//! upgrade echoes frames. On stdout it prints its plain and its TLS address.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::LocalSet,
};
use tokio_rustls::TlsAcceptor;

/// How the bench starts itself as the upstream; the folder of the certificate comes behind it.
pub(crate) const ARGUMENT: &str = "--serve";

/// Serves until it is killed.
pub(crate) fn run() -> ! {
    let folder = std::env::args().nth(2).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(LocalSet::new().run_until(listen(folder.as_ref())))
}

async fn listen(folder: &Path) -> ! {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", plain.local_addr().unwrap());
    println!("{}", tls.local_addr().unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(tls_config(folder)));
    tokio::task::spawn_local(async move {
        loop {
            let (io, _) = tls.accept().await.unwrap();
            drop(io.set_nodelay(true));
            let acceptor = acceptor.clone();
            tokio::task::spawn_local(async move {
                if let Ok(io) = acceptor.accept(io).await {
                    drop(serve(io).await);
                }
            });
        }
    });
    loop {
        let (io, _) = plain.accept().await.unwrap();
        drop(io.set_nodelay(true));
        tokio::task::spawn_local(serve(io));
    }
}

fn tls_config(folder: &Path) -> ServerConfig {
    let chain = CertificateDer::from_pem_file(folder.join("lab.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("lab.key")).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    config
}

/// What a request asks for.
enum Asked {
    Bytes(u64),
    Echo,
    Small,
}

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(64 * 1024);
    let small = answer(128);
    loop {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if io.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let (asked, length, close) = parse(&buffer[..end]);
        buffer.drain(..end);
        skip(&mut io, &mut buffer, length).await?;
        match asked {
            Asked::Small => io.write_all(&small).await?,
            Asked::Bytes(length) => send(&mut io, length).await?,
            Asked::Echo => {
                io.write_all(SWITCHED).await?;
                return echo(io, buffer).await;
            }
        }
        if close {
            return io.shutdown().await;
        }
    }
}

fn parse(head: &[u8]) -> (Asked, Length, bool) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head).unwrap();
    let (mut asked, mut length, mut close) = (Asked::Small, Length::Known(0), false);
    if let Some(count) = request.path.unwrap().rsplit_once("/bytes/") {
        asked = Asked::Bytes(count.1.parse().unwrap());
    }
    for field in request.headers {
        let value = str::from_utf8(field.value).unwrap();
        match field.name.to_ascii_lowercase().as_str() {
            "content-length" => length = Length::Known(value.parse().unwrap()),
            "transfer-encoding" => length = Length::Chunked,
            "connection" => close = value.eq_ignore_ascii_case("close"),
            "upgrade" => asked = Asked::Echo,
            _ => {}
        }
    }
    (asked, length, close)
}

/// How long a body is.
enum Length {
    Known(u64),
    Chunked,
}

async fn skip<T: AsyncRead + Unpin>(
    io: &mut T,
    buffer: &mut Vec<u8>,
    length: Length,
) -> std::io::Result<()> {
    let Length::Known(mut left) = length else {
        // Nobody here sends chunks whose data holds this.
        while !buffer.ends_with(b"0\r\n\r\n") {
            let keep = buffer.len().saturating_sub(5);
            buffer.drain(..keep);
            io.read_buf(buffer).await?;
        }
        buffer.clear();
        return Ok(());
    };
    let held = left.min(buffer.len() as u64);
    buffer.drain(..usize::try_from(held).unwrap());
    left -= held;
    let mut scratch = if left > 0 { vec![0; BLOCK] } else { Vec::new() };
    while left > 0 {
        let most = usize::try_from(left.min(BLOCK as u64)).unwrap();
        let read = io.read(&mut scratch[..most]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        left -= read as u64;
    }
    Ok(())
}

fn answer(length: u64) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n")
            .into_bytes();
    if length < 1024 {
        answer.resize(answer.len() + usize::try_from(length).unwrap(), b'x');
    }
    answer
}

async fn send<T: AsyncWrite + Unpin>(io: &mut T, mut left: u64) -> std::io::Result<()> {
    io.write_all(&answer(left)).await?;
    if left < 1024 {
        return Ok(());
    }
    let block = vec![b'x'; BLOCK];
    while left > 0 {
        let most = usize::try_from(left.min(BLOCK as u64)).unwrap();
        io.write_all(&block[..most]).await?;
        left -= most as u64;
    }
    io.flush().await
}

/// Sends each masked frame back without its mask, payload as it came: nobody looks at it.
async fn echo<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    mut buffer: Vec<u8>,
) -> std::io::Result<()> {
    buffer.reserve(256 * 1024);
    let mut out = Vec::new();
    loop {
        while let Some((head, length)) = frame(&buffer) {
            if buffer.len() < head + length {
                break;
            }
            super::client::ws::write_head(&mut out, 0x82, length, None);
            out.extend_from_slice(&buffer[head..head + length]);
            buffer.drain(..head + length);
        }
        if !out.is_empty() {
            io.write_all(&out).await?;
            out.clear();
        }
        if io.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// Length of head (with its mask) and payload of the first frame; `None`: the head is not there yet.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let short = usize::from(bytes.get(1)? & 0x7f);
    let masked = if bytes.get(1)? & 0x80 == 0 { 0 } else { 4 };
    match short {
        126 => {
            let length = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
            Some((4 + masked, length.into()))
        }
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            Some((10 + masked, length.try_into().ok()?))
        }
        short => Some((2 + masked, short)),
    }
}

const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
    connection: Upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const BLOCK: usize = 256 * 1024;
