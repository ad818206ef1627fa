//! The parsing corpus: raw requests, and what the server behind labgate gets of them, byte for byte.
//! nginx and `HAProxy` get the same; where labgate forwards what one of them refuses, the case says why.
//!
//! `corpus` has the cases, `docs/parsing.md` the table that comes of them.

#![expect(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and need not be fast"
)]

mod case;
mod client;
mod corpus;
mod message;
#[path = "../peers/mod.rs"]
mod peers;
mod proxies;
mod recorder;
mod run;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the end-to-end tests, which use all of it"
)]
#[path = "../e2e/support/mod.rs"]
mod support;
mod table;

use std::collections::HashSet;

use case::Case;
use client::{SPLITS, Split};
use message::Message;
use proxies::Proxy;
use recorder::Record;
use run::{Outcome, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_meets_its_fate_however_it_is_split() {
    // T78, T80, T21
    let cases = corpus::cases();
    let proxy = Proxy::labgate().await;
    let run = run(proxy, &cases, &SPLITS).await;
    let mut wrong = Vec::new();
    for (case, outcomes) in cases.iter().zip(&run.outcomes) {
        for outcome in outcomes {
            if let Err(why) = judge(case, outcome) {
                wrong.push(format!("{} ({:?}): {why}", case.name, outcome.split));
            }
        }
    }
    assert!(run.strays.is_empty(), "read differently: {:?}", run.strays);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nginx_or_haproxy_refuses_is_refused_or_has_a_reason() {
    // T78
    let cases = corpus::cases();
    let (nginx, haproxy) = (Proxy::nginx().await, Proxy::haproxy().await);
    let whole = [Split::Whole];
    let (nginx, haproxy) = tokio::join!(run(nginx, &cases, &whole), run(haproxy, &cases, &whole));
    table::check(&cases, &nginx, &haproxy);
}

#[test]
fn the_corpus_is_large_and_no_case_stands_in_it_twice() {
    let cases = corpus::cases();
    let names: HashSet<&str> = cases.iter().map(|case| case.name).collect();
    let bytes: HashSet<(&[u8], bool)> = cases
        .iter()
        .map(|case| (&*case.sends, case.cut_short))
        .collect();
    assert_eq!((names.len(), bytes.len()), (cases.len(), cases.len()));
    assert!(cases.len() >= 200, "{}", cases.len());
}

/// Whether labgate did what the case says.
fn judge(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let expects = &case.expects;
    let upstream: Result<Vec<_>, String> = outcome
        .upstream()
        .map(|record| Ok(without_ours(record)?.bytes()))
        .collect();
    let upstream = upstream?;
    if upstream != expects.upstream {
        return Err(format!("the upstream got {}", shown(&upstream)));
    }
    let tunnels = outcome.upstream().filter(|record| record.tunnel).count();
    if tunnels != usize::from(expects.tunnel) {
        return Err(format!("{tunnels} tunnels"));
    }
    for record in outcome.begun() {
        let begun = without_ours(record)?.head;
        if expects.cut.as_ref() != Some(&begun) {
            return Err(format!(
                "the upstream got the beginning {}",
                shown(&[begun])
            ));
        }
    }
    let mut answers = &expects.answers[..];
    if expects.may_close && !outcome.next() {
        answers = &answers[..answers.len() - 1];
    } else if outcome.next() != expects.next {
        return Err(format!("the next request was read: {}", outcome.next()));
    }
    if outcome.answers != answers {
        return Err(format!("the client got {:?}", outcome.answers));
    }
    Ok(())
}

/// A message without the lines that labgate adds to all of them.
fn without_ours(record: &Record) -> Result<Message, String> {
    let Record {
        client,
        mut message,
        ..
    } = record.clone();
    let head = shown(std::slice::from_ref(&message.head));
    for name in OURS {
        let value = message.remove(name).ok_or(format!("no {name} in {head}"))?;
        let good = match name {
            "x-forwarded-for" => value.parse().ok() == client,
            "x-forwarded-host" => message.value("host") == Some(value.as_bytes().to_vec()),
            "x-forwarded-proto" => value == "http",
            _ => value.len() == 16 && value.bytes().all(|digit| digit.is_ascii_hexdigit()),
        };
        if !good || message.value(name).is_some() {
            return Err(format!("not the right {name} in {head}"));
        }
    }
    Ok(message)
}

/// What labgate adds to every request here.
const OURS: [&str; 4] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

fn shown(messages: &[Vec<u8>]) -> String {
    let each = messages
        .iter()
        .map(|bytes| format!("\"{}\"", bytes.escape_ascii()));
    each.collect::<Vec<_>>().join(", ")
}
