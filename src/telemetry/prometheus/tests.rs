use std::collections::BTreeSet;

use super::*;
use crate::telemetry::SignIn;

#[path = "../../../tests/e2e/support/exposition.rs"]
mod exposition;

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// A text of numbers that differ, with a target whose name has to be escaped.
fn filled() -> String {
    let mut snapshot = Snapshot::default();
    let lab = snapshot.route("lab");
    lab.counts.durations[0] = 2;
    lab.counts.durations[12] = 1;
    lab.counts.micros = 1_500_250;
    lab.tunnels = 4;
    let target = Target {
        connects: 5,
        idle: 2,
        ..Target::default()
    };
    snapshot.targets.insert("unix:/a\"b\\c\nd".into(), target);
    snapshot.edge.refused_heads.insert("timeout", 1);
    let sign_ins = SignIns::default();
    sign_ins.count(SignIn::Success);
    let control = Control {
        sign_ins: &sign_ins,
        sessions: 3,
        audit_lost: 6,
        store_failures: 7,
        refused_connections: 8,
        config: Reloads {
            applied: 1,
            refused: 2,
            last_applied: false,
            applied_at: Timestamp(1_800_000_000_250),
        },
        started: Timestamp(1_700_000_000_000),
        process: Process::now(),
    };
    text(&snapshot, &control)
}

#[test]
fn numbers_stand_in_their_lines() {
    let text = filled();
    for line in [
        "labgate_request_duration_seconds_bucket{route=\"lab\",le=\"0.001\"} 2",
        "labgate_request_duration_seconds_bucket{route=\"lab\",le=\"600\"} 2",
        "labgate_request_duration_seconds_bucket{route=\"lab\",le=\"+Inf\"} 3",
        "labgate_request_duration_seconds_sum{route=\"lab\"} 1.50025",
        "labgate_request_duration_seconds_count{route=\"lab\"} 3",
        "labgate_open_streams{route=\"lab\",kind=\"tunnel\"} 4",
        "labgate_refused_heads_total{reason=\"timeout\"} 1",
        "labgate_upstream_connects_total{target=\"unix:/a\\\"b\\\\c\\nd\"} 5",
        "labgate_sign_ins_total{outcome=\"success\"} 1",
        "labgate_sessions 3",
        "labgate_config_last_reload_success_timestamp_seconds 1800000000.25",
        "process_start_time_seconds 1700000000",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let found = exposition::parse(&filled()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let target = found
        .iter()
        .find(|sample| sample.name == "labgate_upstream_connects_total");
    let labels = [("target".to_owned(), "unix:/a\"b\\c\nd".to_owned())];
    assert_eq!(target.unwrap().labels, labels);
}

#[test]
fn what_prometheus_does_not_read_is_found() {
    // So that the test above can fail.
    let head = "# HELP a_total x\n# TYPE a_total counter\n";
    assert!(exposition::parse(&format!("{head}a_total 1\n")).is_ok());
    for wrong in [
        "a_total 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 2\n",
        "# HELP a_total x\n# TYPE a_total counter\nb 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c} 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"\\x\"} 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"1\",b=\"2\"} 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total -1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total one\n",
        "# HELP a x\n# TYPE a counter\na 1\n",
        "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n",
        "# TYPE a gauge\na 1\n",
        "# HELP a x\n# TYPE a gauge\na 1\n# HELP a x\n# TYPE a gauge\na{b=\"1\"} 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n",
    ] {
        assert!(exposition::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_document_has_every_family_with_its_labels_and_no_other() {
    let quoted = |text: &str| -> BTreeSet<String> {
        let words = text.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    let mut documented: Vec<(String, BTreeSet<String>)> = rows
        .map(|row| {
            let mut cells = row.split('|').skip(1);
            let name = quoted(cells.next().unwrap()).pop_first().unwrap();
            (name, quoted(cells.next().unwrap()))
        })
        .collect();
    let mut told: Vec<(String, BTreeSet<String>)> = Vec::new();
    let samples = exposition::parse(&filled()).unwrap_or_else(|wrong| panic!("{wrong}"));
    for sample in samples {
        let labels = sample.labels.into_iter().map(|(name, _)| name);
        match told.last_mut() {
            Some((family, known)) if *family == sample.family => known.extend(labels),
            _ => told.push((sample.family, labels.collect())),
        }
    }
    documented.sort();
    told.sort();
    assert_eq!(documented, told);
}
