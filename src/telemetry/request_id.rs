//! Request ids: what a person quotes and an operator searches for.

use std::{cell::Cell, fmt};

use http::HeaderValue;

use crate::secret::random;

/// 16 hexadecimal digits, unique within a process and in practice among processes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestId(u64);

impl RequestId {
    /// As a header value (`X-Request-Id`).
    pub fn header(self) -> HeaderValue {
        let digits = self.digits();
        HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("-"))
    }

    /// As text.
    pub(super) fn digits(self) -> [u8; 16] {
        std::array::from_fn(|place| {
            let nibble = (self.0 >> (60 - 4 * place)) & 0xf;
            b"0123456789abcdef"
                .get(usize::try_from(nibble).unwrap_or(0))
                .copied()
                .unwrap_or(b'0')
        })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A worker's source of ids: a random start and a mixed counter, so that an id costs no system call
/// and does not tell how many there were.
#[derive(Debug)]
pub struct RequestIds(Cell<u64>);

impl Default for RequestIds {
    fn default() -> Self {
        Self(Cell::new(u64::from_le_bytes(random())))
    }
}

impl RequestIds {
    /// The next one. Distinct for 2^64 calls: splitmix64 (Steele et al., 2014) is a bijection.
    pub fn next(&self) -> RequestId {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        RequestId(mixed ^ (mixed >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::RequestIds;

    #[test]
    fn an_id_reads_the_same_in_a_log_and_in_a_header() {
        let id = RequestIds::default().next();
        assert_eq!(id.header().to_str().unwrap(), id.to_string());
        assert_eq!(id.to_string().len(), 16);
    }
}
