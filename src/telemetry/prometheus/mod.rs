//! Numbers as text for Prometheus (exposition format 0.0.4); `docs/metrics.md` lists them.

mod out;
#[cfg(test)]
mod tests;

use self::out::Out;
use super::{
    Process, SignIns,
    meter::{BOUNDS, Numbers, Snapshot, Target},
};
use crate::clock::Timestamp;

/// The type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is known beside the workers.
#[derive(Clone, Copy, Debug)]
pub struct Control<'a> {
    /// How sign-ins ended.
    pub sign_ins: &'a SignIns,
    /// Signed-in browsers.
    pub sessions: usize,
    /// Lines of the audit log that were lost.
    pub audit_lost: u64,
    /// Commits of the store that failed.
    pub store_failures: u64,
    /// Connections that a limit refused.
    pub refused_connections: u64,
    /// The configuration.
    pub config: Reloads,
    /// When the server was started.
    pub started: Timestamp,
    /// What the system says.
    pub process: Process,
}

/// What became of reloads.
#[derive(Clone, Copy, Debug)]
pub struct Reloads {
    /// Those that were taken; the number of the configuration, too.
    pub applied: u64,
    /// Those that were not.
    pub refused: u64,
    /// Whether the last one was taken.
    pub last_applied: bool,
    /// When the configuration came that is in force.
    pub applied_at: Timestamp,
}

/// All numbers.
pub fn text(snapshot: &Snapshot, control: &Control<'_>) -> String {
    let mut out = Out::default();
    requests(&mut out, snapshot);
    edge(&mut out, snapshot, control.refused_connections);
    upstreams(&mut out, snapshot);
    people(&mut out, control);
    server(&mut out, snapshot, control);
    process(&mut out, control);
    out.into_text()
}

fn requests(out: &mut Out, snapshot: &Snapshot) {
    out.family("labgate_requests_total", COUNTER, "Requests that are over.");
    for (route, numbers) in &snapshot.routes {
        for (class, count) in CLASSES.iter().zip(numbers.counts.classes) {
            out.line(&[("route", route), ("status_class", class)], count);
        }
    }
    out.family(
        "labgate_request_duration_seconds",
        "histogram",
        "From the end of a head to the end of the answer, without tunnels.",
    );
    for (route, numbers) in &snapshot.routes {
        durations(out, route, numbers);
    }
    let mut by_route = |name, help, value: fn(&Numbers) -> u64| {
        out.family(name, COUNTER, help);
        for (route, numbers) in &snapshot.routes {
            out.line(&[("route", route)], value(numbers));
        }
    };
    by_route(
        "labgate_request_bytes_total",
        "Bytes of bodies and tunnels from clients.",
        |numbers| numbers.counts.bytes_in,
    );
    by_route(
        "labgate_response_bytes_total",
        "Bytes of bodies and tunnels to clients.",
        |numbers| numbers.counts.bytes_out,
    );
    by_route(
        "labgate_tunnels_total",
        "Tunnels that were opened.",
        |numbers| numbers.counts.tunnels,
    );
    out.family(
        "labgate_open_streams",
        GAUGE,
        "Requests under way and open tunnels.",
    );
    for (route, numbers) in &snapshot.routes {
        for (kind, open) in [("request", numbers.requests), ("tunnel", numbers.tunnels)] {
            out.line(&[("route", route), ("kind", kind)], open);
        }
    }
}

fn edge(out: &mut Out, snapshot: &Snapshot, refused_connections: u64) {
    let edge = &snapshot.edge;
    out.one(
        "labgate_open_connections",
        GAUGE,
        "Client connections.",
        snapshot.connections,
    );
    out.one(
        "labgate_http2_open_streams",
        GAUGE,
        "Requests under way over HTTP/2.",
        snapshot.http2_streams,
    );
    out.family(
        "labgate_connections_total",
        COUNTER,
        "Client connections that sent something.",
    );
    for (protocol, count) in [("http1", edge.http1), ("http2", edge.http2)] {
        out.line(&[("protocol", protocol)], count);
    }
    out.one(
        "labgate_refused_connections_total",
        COUNTER,
        "Client connections that a limit refused.",
        refused_connections,
    );
    out.family(
        "labgate_tls_handshakes_total",
        COUNTER,
        "TLS handshakes with clients.",
    );
    for (outcome, count) in [("done", edge.tls_done), ("failed", edge.tls_failed)] {
        out.line(&[("outcome", outcome)], count);
    }
    out.family(
        "labgate_refused_heads_total",
        COUNTER,
        "Request heads that the gate refused.",
    );
    for (reason, count) in &edge.refused_heads {
        out.line(&[("reason", reason)], count);
    }
}

fn upstreams(out: &mut Out, snapshot: &Snapshot) {
    out.family(
        "labgate_upstream_connections",
        GAUGE,
        "Connections to a target.",
    );
    for (target, numbers) in &snapshot.targets {
        for (state, count) in [
            ("busy", numbers.busy),
            ("idle", numbers.idle),
            ("tunnel", numbers.tunnels),
        ] {
            out.line(&[("target", target), ("state", state)], count);
        }
    }
    let mut by_target = |name, kind, help, value: fn(&Target) -> u64| {
        out.family(name, kind, help);
        for (target, numbers) in &snapshot.targets {
            out.line(&[("target", target)], value(numbers));
        }
    };
    by_target(
        "labgate_upstream_connects_total",
        COUNTER,
        "Connections that were opened.",
        |target| target.connects,
    );
    by_target(
        "labgate_upstream_connect_failures_total",
        COUNTER,
        "Connections that could not be opened.",
        |target| target.connect_failures,
    );
    by_target(
        "labgate_upstream_reuses_total",
        COUNTER,
        "Requests that found an idle connection.",
        |target| target.reuses,
    );
    by_target(
        "labgate_upstream_retries_total",
        COUNTER,
        "Requests that were sent again, since an idle connection was dead.",
        |target| target.retries,
    );
    by_target(
        "labgate_upstream_waiting_requests",
        GAUGE,
        "Requests that wait for another to end.",
        |target| target.waiting,
    );
    by_target(
        "labgate_upstream_aside_workers",
        GAUGE,
        "Workers that have the target put aside.",
        |target| target.aside,
    );
}

fn people(out: &mut Out, control: &Control<'_>) {
    out.family(
        "labgate_sign_ins_total",
        COUNTER,
        "Sign-ins by how they ended.",
    );
    for (outcome, count) in control.sign_ins.counts() {
        out.line(&[("outcome", outcome)], count);
    }
    out.one(
        "labgate_sessions",
        GAUGE,
        "Signed-in browsers.",
        control.sessions,
    );
}

fn server(out: &mut Out, snapshot: &Snapshot, control: &Control<'_>) {
    let config = control.config;
    out.one(
        "labgate_access_log_dropped_lines_total",
        COUNTER,
        "Lines that nobody took in time.",
        snapshot.dropped_lines,
    );
    out.one(
        "labgate_audit_log_dropped_lines_total",
        COUNTER,
        "Lines that were not taken in time or could not be written.",
        control.audit_lost,
    );
    out.one(
        "labgate_store_write_failures_total",
        COUNTER,
        "Commits of the store that failed.",
        control.store_failures,
    );
    out.family(
        "labgate_config_reloads_total",
        COUNTER,
        "Reloads of the configuration.",
    );
    for (outcome, count) in [("applied", config.applied), ("refused", config.refused)] {
        out.line(&[("outcome", outcome)], count);
    }
    out.one(
        "labgate_config_last_reload_successful",
        GAUGE,
        "Whether the last configuration was taken.",
        u8::from(config.last_applied),
    );
    out.one(
        "labgate_config_last_reload_success_timestamp_seconds",
        GAUGE,
        "When the configuration in force was taken.",
        seconds(config.applied_at.0.saturating_mul(1000)),
    );
    out.family("labgate_build_info", GAUGE, "What runs.");
    out.line(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn process(out: &mut Out, control: &Control<'_>) {
    let process = control.process;
    out.one(
        "process_start_time_seconds",
        GAUGE,
        "When the server was started.",
        seconds(control.started.0.saturating_mul(1000)),
    );
    out.one(
        "process_cpu_seconds_total",
        COUNTER,
        "Processor time of all threads.",
        process.cpu_seconds,
    );
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Bytes in memory.",
            process.resident,
        ),
        (
            "process_virtual_memory_bytes",
            "Bytes of address space.",
            process.virtual_size,
        ),
        (
            "process_open_fds",
            "Open file descriptors.",
            process.open_fds,
        ),
        (
            "process_max_fds",
            "File descriptors that may be open.",
            process.max_fds,
        ),
    ] {
        if let Some(value) = value {
            out.one(name, GAUGE, help, value);
        }
    }
}

fn durations(out: &mut Out, route: &str, numbers: &Numbers) {
    let mut total = 0;
    let bounds = BOUNDS.iter().map(|bound| seconds(*bound));
    let bounds = bounds.chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(numbers.counts.durations) {
        total += count;
        out.part("_bucket", &[("route", route), ("le", &bound)], total);
    }
    let labels = &[("route", route)];
    out.part("_sum", labels, seconds(numbers.counts.micros));
    out.part("_count", labels, total);
}

/// Microseconds as a decimal number of seconds.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";
