//! The cases, a file for each part of a request. In each file good ones stand beside the nearest bad
//! ones.

mod chunks;
mod connection;
mod fields;
mod forwarding;
mod hosts;
mod lengths;
mod lines;
mod others;
mod pipelines;
mod sizes;
mod targets;
mod upgrades;

use crate::case::Case;

/// All cases by section, in the order of the table.
pub(crate) fn sections() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("Request lines (RFC 9112 §2.2, §3)", lines::cases()),
        ("Targets (RFC 9112 §3.2)", targets::cases()),
        ("Host (RFC 9112 §3.2, RFC 9110 §7.2)", hosts::cases()),
        ("Fields (RFC 9112 §5, RFC 9110 §5)", fields::cases()),
        (
            "Content-Length and Transfer-Encoding (RFC 9112 §6)",
            lengths::cases(),
        ),
        ("Chunks and trailers (RFC 9112 §7.1)", chunks::cases()),
        ("Several requests (RFC 9112 §9.3)", pipelines::cases()),
        (
            "Connection and Expect (RFC 9110 §7.6.1, §10.1.1)",
            connection::cases(),
        ),
        ("Upgrade (RFC 9110 §7.8, RFC 6455 §4)", upgrades::cases()),
        (
            "What only labgate may say, and cookies",
            forwarding::cases(),
        ),
        ("Sizes", sizes::cases()),
        ("Other protocols", others::cases()),
    ]
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let sections = sections().into_iter();
    sections.flat_map(|(_, cases)| cases).collect()
}
