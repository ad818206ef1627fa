//! The control frames we insert ourselves: pings, and the close frame at a stop.
//!
//! RFC 6455 §5.5; towards an upstream we speak as a client and mask (§5.3).

use super::{Sender, Stop};
use crate::secret::random;

/// Makes the pong to a ping of ours recognizable; random for each side of each tunnel.
pub(super) type Nonce = [u8; 8];

/// Appends a ping that speaks for `sender`.
pub(super) fn ping(sender: Sender, nonce: Nonce, out: &mut Vec<u8>) {
    frame(sender, PING, &nonce, out);
}

/// Appends a close frame that speaks for `sender`.
pub(super) fn close(sender: Sender, stop: Stop, out: &mut Vec<u8>) {
    let mut payload = stop.code().to_be_bytes().to_vec();
    payload.extend(stop.reason().as_bytes());
    frame(sender, CLOSE, &payload, out);
}

/// `payload` has at most 125 bytes.
fn frame(sender: Sender, opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    let len = u8::try_from(payload.len()).unwrap_or_default();
    debug_assert!(usize::from(len) == payload.len() && len <= 125);
    out.push(FIN | opcode);
    match sender {
        Sender::Client => {
            let key: [u8; 4] = random();
            out.push(MASKED | len);
            out.extend(key);
            let key = key.iter().cycle();
            out.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
        }
        Sender::Upstream => {
            out.push(len);
            out.extend(payload);
        }
    }
}

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CLOSE: u8 = 8;
const PING: u8 = 9;
