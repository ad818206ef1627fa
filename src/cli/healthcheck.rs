//! `labgate healthcheck`: asks the running server whether it is ready, for images without curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{exit::Exit, serve::tell};
use crate::{
    config::{
        Address, Listener,
        load::{self, Sources},
    },
    wire,
};

/// Asks the first listener that does not belong to proxies alone; 0 when it answers that it is ready.
pub(super) fn run(sources: &Sources, out: &mut impl Write) -> Exit {
    let loaded = match load::load(sources) {
        Ok(loaded) => loaded,
        Err(problems) => {
            tell(&problems.to_string());
            return Exit::Configuration;
        }
    };
    let listeners = &loaded.config.listeners;
    let Some(listener) = listeners.iter().find(|listener| !listener.proxy_protocol) else {
        tell("labgate: every listener has `proxy_protocol`; there is none to ask");
        return Exit::Configuration;
    };
    match ask(listener) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
            drop(writeln!(out, "ready"));
            Exit::Done
        }
        Ok(answer) => {
            let status = answer.lines().next().unwrap_or("an empty answer");
            tell(&format!("labgate: not ready: {status}"));
            Exit::Failed
        }
        Err(error) => {
            tell(&format!(
                "labgate: no answer from {}: {error}",
                listener.address
            ));
            Exit::Failed
        }
    }
}

fn ask(listener: &Listener) -> io::Result<String> {
    match &listener.address {
        Address::Tcp(address) => {
            let address = reachable(*address);
            let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
            tcp.set_read_timeout(Some(PATIENCE))?;
            tcp.set_write_timeout(Some(PATIENCE))?;
            ask_on(tcp, address.ip(), listener)
        }
        Address::Unix(path) => {
            let unix = UnixStream::connect(path)?;
            unix.set_read_timeout(Some(PATIENCE))?;
            unix.set_write_timeout(Some(PATIENCE))?;
            ask_on(unix, Ipv4Addr::LOCALHOST.into(), listener)
        }
    }
}

fn ask_on(mut socket: impl Read + Write, ip: IpAddr, listener: &Listener) -> io::Result<String> {
    if listener.tls.is_none() {
        return exchange(&mut socket);
    }
    let config = ClientConfig::builder_with_provider(wire::provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Ourselves))
        .with_no_client_auth();
    let name = ServerName::IpAddress(ip.into());
    let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    exchange(&mut StreamOwned::new(tls, socket))
}

fn exchange(stream: &mut (impl Read + Write)) -> io::Result<String> {
    stream.write_all(
        b"GET /.labgate/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where a process on this machine reaches a listener that is bound to every address.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The question carries no secret and the answer decides nothing but an exit code, so any
/// certificate will do: the health of a server does not hang on who signed its name.
#[derive(Debug)]
struct Ourselves;

impl ServerCertVerifier for Ourselves {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        wire::provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER: u64 = 16 * 1024;
