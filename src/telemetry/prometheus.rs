//! Numbers as text for Prometheus (exposition format 0.0.4); `docs/metrics.md` lists them.

use std::fmt::{Display, Write as _};

use super::{
    SignIns,
    meter::{BOUNDS, Numbers, Snapshot},
};

/// The type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All numbers. Names of routes have neither quotes nor backslashes, as the configuration sees to.
pub fn text(snapshot: &Snapshot, sign_ins: &SignIns, sessions: usize) -> String {
    let mut out = Out(String::new());
    out.family(
        "labgate_requests_total",
        "counter",
        "Requests that are over.",
    );
    for (route, numbers) in &snapshot.routes {
        for (class, count) in CLASSES.iter().zip(numbers.counts.classes) {
            let labels = format!("{{route=\"{route}\",status_class=\"{class}\"}}");
            out.line("labgate_requests_total", &labels, count);
        }
    }
    let help = "From the end of a head to the end of the answer, without tunnels.";
    out.family("labgate_request_duration_seconds", "histogram", help);
    for (route, numbers) in &snapshot.routes {
        out.durations(route, numbers);
    }
    out.by_route(
        snapshot,
        "labgate_request_bytes_total",
        "Bytes of bodies and tunnels from clients.",
        |numbers| numbers.counts.bytes_in,
    );
    out.by_route(
        snapshot,
        "labgate_response_bytes_total",
        "Bytes of bodies and tunnels to clients.",
        |numbers| numbers.counts.bytes_out,
    );
    let name = "labgate_open_streams";
    out.family(name, "gauge", "Requests under way and open tunnels.");
    for (route, numbers) in &snapshot.routes {
        for (kind, open) in [("request", numbers.requests), ("tunnel", numbers.tunnels)] {
            let labels = format!("{{route=\"{route}\",kind=\"{kind}\"}}");
            out.line(name, &labels, open);
        }
    }
    out.one(
        "labgate_open_connections",
        "gauge",
        "Client connections.",
        snapshot.connections,
    );
    let name = "labgate_upstream_idle_connections";
    out.one(
        name,
        "gauge",
        "Idle connections to upstreams.",
        snapshot.upstream_idle,
    );
    let name = "labgate_sign_ins_total";
    out.family(name, "counter", "Sign-in forms that were sent.");
    for (outcome, count) in sign_ins.counts() {
        out.line(name, &format!("{{outcome=\"{outcome}\"}}"), count);
    }
    out.one("labgate_sessions", "gauge", "Signed-in browsers.", sessions);
    let name = "labgate_access_log_dropped_lines_total";
    let help = "Lines that nobody took in time.";
    out.one(name, "counter", help, snapshot.dropped_lines);
    out.family("labgate_build_info", "gauge", "What runs.");
    let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    out.line("labgate_build_info", &version, 1);
    out.0
}

struct Out(String);

impl Out {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _infallible = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _infallible = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.line(name, "", value);
    }

    fn by_route(
        &mut self,
        snapshot: &Snapshot,
        name: &str,
        help: &str,
        value: impl Fn(&Numbers) -> u64,
    ) {
        self.family(name, "counter", help);
        for (route, numbers) in &snapshot.routes {
            self.line(name, &format!("{{route=\"{route}\"}}"), value(numbers));
        }
    }

    fn durations(&mut self, route: &str, numbers: &Numbers) {
        const NAME: &str = "labgate_request_duration_seconds";
        let bucket = format!("{NAME}_bucket");
        let mut total = 0;
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(numbers.counts.durations) {
            total += count;
            let labels = format!("{{route=\"{route}\",le=\"{bound}\"}}");
            self.line(&bucket, &labels, total);
        }
        let labels = format!("{{route=\"{route}\"}}");
        self.line(
            &format!("{NAME}_sum"),
            &labels,
            seconds(numbers.counts.micros),
        );
        self.line(&format!("{NAME}_count"), &labels, total);
    }
}

/// Microseconds as a decimal number of seconds.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_and_every_line_has_its_family() {
        let mut snapshot = Snapshot::default();
        let lab = snapshot.route("lab");
        lab.counts.durations[0] = 2;
        lab.counts.durations[12] = 1;
        lab.counts.micros = 1_500_250;
        lab.tunnels = 4;
        let sign_ins = SignIns::default();
        sign_ins.count(crate::telemetry::SignIn::Success);
        let text = text(&snapshot, &sign_ins, 3);
        for line in [
            "labgate_request_duration_seconds_bucket{route=\"lab\",le=\"0.001\"} 2",
            "labgate_request_duration_seconds_bucket{route=\"lab\",le=\"600\"} 2",
            "labgate_request_duration_seconds_bucket{route=\"lab\",le=\"+Inf\"} 3",
            "labgate_request_duration_seconds_sum{route=\"lab\"} 1.50025",
            "labgate_request_duration_seconds_count{route=\"lab\"} 3",
            "labgate_open_streams{route=\"lab\",kind=\"tunnel\"} 4",
            "labgate_sign_ins_total{outcome=\"success\"} 1",
            "labgate_sessions 3",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        let mut family = "";
        for line in text.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(rest) => family = rest.split(' ').next().unwrap(),
                None => assert!(line.starts_with('#') || line.starts_with(family), "{line}"),
            }
        }
    }
}
