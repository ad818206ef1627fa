//! The table of `docs/parsing.md`: what labgate, nginx and `HAProxy` make of each case.
//!
//! The file is held, not only written: a difference fails. To write it anew:
//! `LABGATE_WRITE_TABLE=1 cargo test --locked --test parsing`.

use std::fmt::Write as _;

use crate::{
    case::Case,
    corpus,
    peers::{own_columns, say_other_versions},
    run::{Outcome, Run},
};

/// Fails where labgate forwards what another refuses and nobody says why, where somebody says why and
/// it is not so, and where the table is not the one that is held.
pub(crate) fn check(cases: &[Case], nginx: &Run, haproxy: &Run) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/parsing.md");
    let held = std::fs::read_to_string(file).unwrap_or_default();
    let text = written(nginx, haproxy);
    let versions = head_row(nginx, haproxy);
    let writes = std::env::var_os("LABGATE_WRITE_TABLE").is_some();
    // What other versions do may differ, and makes no reason stale.
    let same_versions = writes || held.contains(&versions);
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let stricter = [nginx, haproxy]
            .iter()
            .any(|run| forwards_less(case, &run.outcomes[number][0]));
        match case.lenient {
            None if stricter => wrong.push(format!("{}: needs a reason", case.name)),
            Some(_) if !stricter && same_versions => {
                wrong.push(format!("{}: nobody is stricter here", case.name));
            }
            _ => {}
        }
    }
    if writes {
        std::fs::write(file, &text).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (held, text) = if same_versions {
        (held, text)
    } else {
        say_other_versions("docs/parsing.md", versions.trim_end());
        (ours(&held), ours(&text))
    };
    if !writes && held != text {
        let differ = text
            .lines()
            .zip(held.lines())
            .filter(|(now, then)| now != then);
        let differ: Vec<String> = differ
            .map(|(now, then)| format!("- {then}\n+ {now}"))
            .collect();
        panic!(
            "docs/parsing.md is not what the test finds (LABGATE_WRITE_TABLE=1 writes it):\n{}",
            differ.join("\n")
        );
    }
}

fn forwards_less(case: &Case, outcome: &Outcome) -> bool {
    outcome.upstream().count() < case.expects.upstream.len()
}

fn written(nginx: &Run, haproxy: &Run) -> String {
    let mut text = format!("{INTRODUCTION}\n{}", counts(nginx, haproxy));
    let (mut nginx_said, mut haproxy_said) = (nginx.outcomes.iter(), haproxy.outcomes.iter());
    for (title, cases) in corpus::sections() {
        let head = head_row(nginx, haproxy);
        write!(
            text,
            "\n## {title}\n\n{head}| --- | --- | --- | --- | --- |\n"
        )
        .unwrap();
        for case in cases {
            let nginx = of_other(&nginx_said.next().unwrap()[0]);
            let haproxy = match of_other(&haproxy_said.next().unwrap()[0]) {
                _ if case.haproxy_varies => "varies".to_owned(),
                said => said,
            };
            let (name, labgate) = (case.name, of_labgate(&case));
            let reason = case.lenient.unwrap_or_default();
            writeln!(
                text,
                "| {name} | {labgate} | {nginx} | {haproxy} | {reason} |"
            )
            .unwrap();
        }
    }
    text
}

fn counts(nginx: &Run, haproxy: &Run) -> String {
    let cases = corpus::cases();
    let passing = |run: &Run| {
        let outcomes = cases.iter().zip(&run.outcomes);
        outcomes
            .filter(|(case, outcomes)| !case.haproxy_varies && outcomes[0].upstream().count() > 0)
            .count()
    };
    let own = cases
        .iter()
        .filter(|case| !case.expects.upstream.is_empty());
    format!(
        "Of {} cases, a whole request reaches the upstream in {} with labgate, in {} with nginx and in {} with\n\
         HAProxy; not counting what varies.\n",
        cases.len(),
        own.count(),
        passing(nginx),
        passing(haproxy)
    )
}

fn head_row(nginx: &Run, haproxy: &Run) -> String {
    format!(
        "| case | labgate | nginx {} | HAProxy {} | why labgate is more lenient |\n",
        nginx.version, haproxy.version
    )
}

/// The page without what others do.
fn ours(text: &str) -> String {
    let lines = own_columns(text);
    let lines = lines.lines().filter(|line| !line.starts_with("Of "));
    lines.collect::<Vec<_>>().join("\n")
}

fn of_labgate(case: &Case) -> String {
    let expects = &case.expects;
    let cut = expects.cut.is_some();
    said(
        expects.upstream.len(),
        cut,
        &expects.answers,
        expects.next,
        expects.tunnel,
    )
}

/// A beginning that reached the upstream is not told: whether it did is a matter of chance.
fn of_other(outcome: &Outcome) -> String {
    let whole = outcome.upstream().count();
    let tunnel = outcome.upstream().any(|record| record.tunnel);
    said(whole, false, &outcome.answers, outcome.next(), tunnel)
}

fn said(whole: usize, cut: bool, answers: &[u16], next: bool, tunnel: bool) -> String {
    let last = answers
        .iter()
        .rfind(|status| !matches!(**status, 100 | 200));
    let refusal = match last {
        _ if cut => Some("cut".to_owned()),
        Some(0) => Some("not HTTP/1".to_owned()),
        Some(status) if *status >= 400 => Some(status.to_string()),
        _ => None,
    };
    let passed = match whole {
        0 => None,
        _ if tunnel => Some("tunnel".to_owned()),
        1 => Some("passes".to_owned()),
        more => Some(format!("{more} pass")),
    };
    let end = (whole > 0 && !next && !tunnel && refusal.is_none()).then(|| "closes".to_owned());
    let parts: Vec<String> = passed.into_iter().chain(refusal).chain(end).collect();
    match &parts[..] {
        [] => "closes".to_owned(),
        _ if whole == 0 && next => format!("{}, goes on", parts.join(", ")),
        _ => parts.join(", "),
    }
}

const INTRODUCTION: &str = "# What becomes of odd requests

`tests/parsing` sends raw requests to labgate, and the same bytes to nginx and HAProxy, each with a
configuration that is usual before a tool with WebSockets. A server behind each of them writes down what it
gets, and answers 200. The bytes are in `tests/parsing/corpus/`, with what must reach labgate's upstream, byte
for byte; labgate gets each case whole, in halves and byte by byte, and must do the same each time.

This page is written by the test and held by it. Behind each case the client sends one more request, unless
it ends its side: whether that is read as a request shows where a proxy believes that the case ended.

- **passes**, **2 pass**: so many whole requests reach the upstream, and the one behind them does.
- **closes**: the connection ends there; the one behind is not read.
- **400** and other statuses: refused. Nothing of it reaches the upstream, and nothing behind it is read, but
  where it says **goes on**: then it is no matter of framing, and the one behind is a request.
- **cut**: the head is good and goes on; what breaks is in the body. The upstream's connection ends before it
  saw an end, the client gets 400, and nothing behind is read. nginx, which collects bodies first, and HAProxy
  have a status there; what of it reached the server behind HAProxy is not in the table.
- **502**: it is passed on, and the server behind, which reads no framing but the plainest, does not take it.
- **tunnel**: a handshake that is accepted; the request behind it goes through as bytes.
- **varies**: HAProxy does now one thing and now another with the same bytes.
- **not HTTP/1**: an answer in another protocol, here HTTP/2.

A request that labgate lets through and nginx or HAProxy does not has its reason in the last column. A missing
reason and one that is no longer needed fail the test.

What the upstream gets is never the bytes that came: hyper reads them, and writes them anew. The request line
has a path and `HTTP/1.1`. Field names are in lowercase, with a colon and a space behind them; fields of one
name stand together, in their order, and where fields are dropped, others may change places. A body with a
length keeps it; one in chunks gets chunks of other sizes, without extensions, and of its trailers those that
were announced and may follow.
(nginx sends a body that came in chunks with a length, and HAProxy in chunks.)
";

#[test]
fn what_other_versions_do_is_no_column_of_ours() {
    let table = |nginx: &str, labgate: &str| {
        format!(
            "Of 1 cases {nginx}\n\n| case | labgate | nginx {nginx} | HAProxy | why |\n| a | {labgate} | {nginx} | 400 |  |\n"
        )
    };
    assert_eq!(ours(&table("1", "400")), ours(&table("2", "400")));
    assert_ne!(ours(&table("1", "400")), ours(&table("1", "421")));
}
