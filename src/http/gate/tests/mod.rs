//! Tests of the gate's parts. `tests/head_gate` in the package's root sets it against hyper.

mod http2;
mod split;
mod table;
mod timers;

use std::time::Duration;

use super::{
    Head, Limits, Refusal,
    head::HeadLimits,
    track::{Phase, Track},
};

/// 64 KiB and 100 fields, as by default.
const DEFAULT: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    fields: 100,
};

fn limits() -> Limits {
    Limits {
        header_timeout: Duration::from_secs(15),
        keep_alive_timeout: Duration::from_secs(120),
        upload_timeout: Duration::from_secs(60),
        download_timeout: Duration::from_secs(15 * 60),
        max_header_bytes: DEFAULT.bytes,
        max_headers: DEFAULT.fields,
    }
}

/// What comes of a stream that is read in the given pieces.
#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    verdicts: Vec<Result<Head, Refusal>>,
    passed: Vec<u8>,
    /// The name of the last phase, and why it is broken.
    phase: (&'static str, &'static str),
}

fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: HeadLimits) -> Outcome {
    let mut track = Track::new(limits);
    let mut verdicts = Vec::new();
    let mut passed = Vec::new();
    let mut kept = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        let taken = track.scan(&kept, |verdict| verdicts.push(verdict));
        passed.extend(kept.drain(..taken));
        if !matches!(track.phase, Phase::Head) {
            kept.clear();
        }
    }
    Outcome {
        verdicts,
        passed,
        phase: match track.phase {
            Phase::Blind => ("blind", ""),
            Phase::Body(_) => ("body", ""),
            Phase::Broken(why) => ("broken", why),
            Phase::Closed => ("closed", ""),
            Phase::Head => ("head", ""),
            Phase::Refused(_) => ("refused", ""),
        },
    }
}
