//! The cases, a file for each part of an answer that can be wrong.

#![expect(clippy::too_many_lines, reason = "tables")]

mod bodies;
mod ends;
mod handshakes;
mod heads;
mod interim;
mod lengths;
mod others;

use crate::case::Case;

/// All of them, by title.
pub(crate) fn all() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("Lengths", lengths::cases()),
        ("Chunks and trailers", bodies::cases()),
        ("Status lines and fields", heads::cases()),
        ("Interim answers", interim::cases()),
        ("Ends", ends::cases()),
        (
            "More than one answer, too early, too slow, too much",
            others::cases(),
        ),
        ("Answers to a WebSocket handshake", handshakes::cases()),
    ]
}
