//! The PROXY protocol, versions 1 and 2: what a proxy in front says of whose connection it passes on.
//!
//! In: a socket of a trusted proxy. Out: the client's address, or that there is none to tell. Not one
//! byte behind the header is read, since TLS or HTTP begins there. Whether the peer may say this at
//! all was decided before (`conn`). Of the authors of `HAProxy`: "The PROXY protocol, versions 1 & 2", §2.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Why a header cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The connection failed or ended within it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It says something that we do not understand.
    #[error("not a PROXY protocol header: {0}")]
    Malformed(&'static str),
}

/// Reads one header. `None`: the connection is the proxy's own (`LOCAL`), or it does not know whose it
/// is (`UNKNOWN`, or no address of the internet).
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<Option<IpAddr>, Error> {
    let mut start = [0; SIGNATURE.len()];
    io.read_exact(&mut start).await?;
    if start == *SIGNATURE {
        let mut head = [0; 4];
        io.read_exact(&mut head).await?;
        let [command, family, high, low] = head;
        let length = u16::from_be_bytes([high, low]);
        if length > LONGEST_BLOCK {
            return Err(Error::Malformed("its length is beyond reason"));
        }
        let mut block = vec![0; usize::from(length)];
        io.read_exact(&mut block).await?;
        return binary(command, family, &block);
    }
    if !start.starts_with(WORD) {
        return Err(Error::Malformed("it begins with something else"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        // As much as must still come at the least.
        let step = if line.ends_with(b"\r") { 1 } else { 2 };
        if line.len() + step > LONGEST_LINE {
            return Err(Error::Malformed("the line does not end"));
        }
        let mut more = [0; 2];
        let more = more.get_mut(..step).unwrap_or_default();
        io.read_exact(more).await?;
        line.extend_from_slice(more);
        if line.iter().rev().skip(1).any(|byte| *byte == b'\r') && !line.ends_with(b"\r\n") {
            return Err(Error::Malformed("a carriage return within the line"));
        }
    }
    text(&line)
}

/// Version 1, the whole line.
fn text(line: &[u8]) -> Result<Option<IpAddr>, Error> {
    let line = std::str::from_utf8(line).map_err(|_| Error::Malformed("not ASCII"))?;
    let mut words = line.trim_end_matches("\r\n").split(' ').skip(1);
    let wrong = Error::Malformed("not an address");
    let (source, destination) = match words.next() {
        Some("UNKNOWN") => return Ok(None),
        Some("TCP4") => (v4(words.next()), v4(words.next())),
        Some("TCP6") => (v6(words.next()), v6(words.next())),
        _ => return Err(Error::Malformed("neither TCP4 nor TCP6 nor UNKNOWN")),
    };
    let (Some(source), Some(_)) = (source, destination) else {
        return Err(wrong);
    };
    for _ in 0..2 {
        let port = words.next().unwrap_or_default();
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || port.parse::<u16>().is_err() {
            return Err(Error::Malformed("not a port"));
        }
    }
    match words.next() {
        None => Ok(Some(source)),
        Some(_) => Err(Error::Malformed("more than addresses and ports")),
    }
}

fn v4(word: Option<&str>) -> Option<IpAddr> {
    Some(word?.parse::<Ipv4Addr>().ok()?.into())
}

fn v6(word: Option<&str>) -> Option<IpAddr> {
    Some(word?.parse::<Ipv6Addr>().ok()?.into())
}

/// Version 2: bytes 13 and 14, and what follows the length. Fields behind the addresses are skipped.
fn binary(command: u8, family: u8, block: &[u8]) -> Result<Option<IpAddr>, Error> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let short = Error::Malformed("too short for its addresses");
    match command {
        LOCAL => return Ok(None),
        PROXY => {}
        _ => return Err(Error::Malformed("an unknown version or command")),
    }
    match family {
        // Unspecified, and unix sockets.
        0x00 | 0x31 => Ok(None),
        // Two addresses and two ports each.
        0x11 if block.len() >= 12 => match block.first_chunk::<4>() {
            Some(source) => Ok(Some(Ipv4Addr::from(*source).into())),
            None => Err(short),
        },
        0x21 if block.len() >= 36 => match block.first_chunk::<16>() {
            Some(source) => Ok(Some(Ipv6Addr::from(*source).into())),
            None => Err(short),
        },
        0x11 | 0x21 => Err(short),
        _ => Err(Error::Malformed("an unknown family, or no stream")),
    }
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const WORD: &[u8] = b"PROXY ";
/// With its line break (§2.1).
const LONGEST_LINE: usize = 107;
/// Addresses take 36 bytes; the rest is room for fields that we skip.
const LONGEST_BLOCK: u16 = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read, and what is left for who comes next.
    fn told(mut bytes: &[u8]) -> (Result<Option<IpAddr>, Error>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let result = runtime.block_on(read(&mut bytes));
        (result, bytes.to_vec())
    }

    fn block(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, block].concat()
    }

    #[test]
    fn a_proxys_own_connection_and_one_of_unknown_origin_keep_their_peer() {
        for header in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN ffff::1 what ever 1\r\n".to_vec(),
            block(0x20, 0x00, b""),
            block(0x20, 0x11, &[1; 12]),
            block(0x21, 0x00, b"fields"),
            block(0x21, 0x31, &[0; 216]),
            longest(),
        ] {
            let (said, rest) = told(&[&header[..], b"GET"].concat());
            assert!(matches!(said, Ok(None)), "{header:?}");
            assert_eq!(rest, b"GET");
        }
    }

    /// The longest line that there is (§2.1).
    fn longest() -> Vec<u8> {
        let most = [u16::MAX; 8];
        let most = most.map(|group| format!("{group:x}")).join(":");
        let line = format!("PROXY UNKNOWN {most} {most} 65535 65535\r\n");
        assert_eq!(line.len(), 107);
        line.into_bytes()
    }

    #[test]
    fn what_is_no_header_is_an_error() {
        let long = String::from_utf8(longest())
            .unwrap()
            .replace("UNKNOWN", "UNKNOWN ");
        for header in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXY",
            b"proxy TCP4 192.0.2.7 192.0.2.8 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\n\n\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r \r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.8 1\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2 3\r\n",
            b"PROXY TCP4 192.0.2.7  192.0.2.8 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.8 1 65536\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.8 +1 2\r\n",
            b"PROXY TCP4 192.0.2.07 192.0.2.8 1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 192.0.2.7 192.0.2.8 1 2\r\n",
            b"PROXY UDP4 192.0.2.7 192.0.2.8 1 2\r\n",
            long.as_bytes(),
            &block(0x21, 0x11, &[1; 11]),
            &block(0x21, 0x21, &[1; 35]),
            &block(0x21, 0x12, &[1; 12]),
            &block(0x22, 0x11, &[1; 12]),
            &block(0x11, 0x11, &[1; 12]),
            &block(0x20, 0x00, &[0; 4097]),
        ] {
            let shown = String::from_utf8_lossy(header);
            assert!(told(header).0.is_err(), "{shown:?}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_told_and_nothing_behind_it_is_read(
            source: IpAddr,
            ports: (u16, u16),
            fields in prop::collection::vec(any::<u8>(), 0..99),
            rest in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let (word, family, bytes) = match source {
                IpAddr::V4(source) => ("TCP4", 0x11, source.octets().to_vec()),
                IpAddr::V6(source) => ("TCP6", 0x21, source.octets().to_vec()),
            };
            let line = format!("PROXY {word} {source} {source} {} {}\r\n", ports.0, ports.1);
            let addresses = [&bytes[..], &bytes, &[0; 4], &fields].concat();
            for header in [line.into_bytes(), block(0x21, family, &addresses)] {
                let (said, left) = told(&[&header[..], &rest].concat());
                prop_assert_eq!(said.unwrap(), Some(source));
                prop_assert_eq!(&left, &rest);
            }
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..3) {
            let start: &[u8] = match kind {
                0 => b"",
                1 => b"PROXY TCP4 ",
                _ => SIGNATURE,
            };
            drop(told(&[start, &bytes].concat()));
        }
    }
}
