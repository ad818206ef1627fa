//! What is counted of requests, by route.
//!
//! A worker adds to numbers that no other thread sees ([`Meter`]); when somebody asks, it makes plain
//! numbers of them ([`Numbers`]), and those of all workers are added up ([`Snapshot::add`]). Names
//! are those of routes in the configuration, never what a client sent.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

/// What one worker counted of one route. Adding costs a few plain additions.
#[derive(Debug, Default)]
pub struct Meter(RefCell<Counts>);

/// What was counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// By the first digit of the status; 0 for those whose client left before there was one.
    pub classes: [u64; 6],
    /// Exchanges by duration: each no longer than its bound of [`BOUNDS`] and longer than the one
    /// before; the last one longer than all. Without tunnels.
    pub durations: [u64; BOUNDS.len() + 1],
    /// Of all durations together, in microseconds.
    pub micros: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Tunnels that were opened.
    pub tunnels: u64,
}

/// One exchange that is over.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its status, 0 without one.
    pub status: u16,
    /// How long it took; `None` for a tunnel, which lasts as long as people like.
    pub elapsed: Option<Duration>,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

/// Bounds of durations, in microseconds.
pub const BOUNDS: [u64; 12] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    100_000,
    250_000,
    1_000_000,
    2_500_000,
    10_000_000,
    60_000_000,
    600_000_000,
];

/// Stands for requests that match no route.
pub const NO_ROUTE: &str = "none";

impl Meter {
    /// Counts a tunnel that opens.
    pub fn count_tunnel(&self) {
        self.0.borrow_mut().tunnels += 1;
    }

    /// Counts an exchange.
    pub fn count(&self, ended: Ended) {
        let mut counts = self.0.borrow_mut();
        let class = usize::from(ended.status / 100);
        if let Some(count) = counts.classes.get_mut(class) {
            *count += 1;
        }
        if let Some(elapsed) = ended.elapsed {
            let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            let place = BOUNDS.partition_point(|bound| *bound < micros);
            if let Some(count) = counts.durations.get_mut(place) {
                *count += 1;
            }
            counts.micros = counts.micros.saturating_add(micros);
        }
        counts.bytes_in += ended.bytes_in;
        counts.bytes_out += ended.bytes_out;
    }
}

/// All meters of one worker.
#[derive(Debug, Default)]
pub struct Meters {
    routes: RefCell<BTreeMap<String, Rc<Meter>>>,
    /// Of requests that match no route.
    pub none: Meter,
}

impl Meters {
    /// The meter of a route, with what was counted under its name before. Made when it is first asked
    /// for: most workers of most labs never see most routes.
    pub fn of(&self, route: &str) -> Rc<Meter> {
        let mut routes = self.routes.borrow_mut();
        if let Some(known) = routes.get(route) {
            return Rc::clone(known);
        }
        Rc::clone(routes.entry(route.to_owned()).or_default())
    }

    /// Forgets the routes that are not there any more, unless somebody still counts on them.
    pub fn forget(&self, is_there: impl Fn(&str) -> bool) {
        let mut routes = self.routes.borrow_mut();
        routes.retain(|name, meter| is_there(name) || Rc::strong_count(meter) > 1);
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (name, meter) in self.routes.borrow().iter() {
            snapshot.route(name).counts = *meter.0.borrow();
        }
        snapshot.route(NO_ROUTE).counts.add(&self.none.0.borrow());
        snapshot
    }
}

/// Counts of one route, and what is open on it now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Numbers {
    /// What was counted.
    pub counts: Counts,
    /// Requests under way.
    pub requests: u64,
    /// Open tunnels.
    pub tunnels: u64,
}

/// What a worker knows of one target.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Target {
    /// Connections that were opened.
    pub connects: u64,
    /// Connections that could not be opened.
    pub connect_failures: u64,
    /// Requests that were sent on a connection that was idle.
    pub reuses: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Connections in use, without tunnels.
    pub busy: u64,
    /// Idle connections.
    pub idle: u64,
    /// Connections that are tunnels.
    pub tunnels: u64,
    /// Requests that wait for another to end.
    pub waiting: u64,
    /// Workers that have it put aside.
    pub aside: u64,
}

impl Target {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.connects += other.connects;
        self.connect_failures += other.connect_failures;
        self.reuses += other.reuses;
        self.retries += other.retries;
        self.busy += other.busy;
        self.idle += other.idle;
        self.tunnels += other.tunnels;
        self.waiting += other.waiting;
        self.aside += other.aside;
    }
}

/// What a worker counts before there is a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edge {
    /// Connections that began with HTTP/1.
    pub http1: u64,
    /// Connections that began with HTTP/2.
    pub http2: u64,
    /// TLS handshakes that came to their end.
    pub tls_done: u64,
    /// TLS handshakes that did not.
    pub tls_failed: u64,
    /// Heads that were refused, by a constant name of the reason.
    pub refused_heads: BTreeMap<&'static str, u64>,
}

impl Edge {
    fn add(&mut self, other: &Self) {
        self.http1 += other.http1;
        self.http2 += other.http2;
        self.tls_done += other.tls_done;
        self.tls_failed += other.tls_failed;
        for (reason, count) in &other.refused_heads {
            *self.refused_heads.entry(reason).or_default() += count;
        }
    }
}

/// Numbers of a worker, or of all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// By name of the route, [`NO_ROUTE`] included.
    pub routes: BTreeMap<String, Numbers>,
    /// By a target's address in the configuration.
    pub targets: BTreeMap<String, Target>,
    /// Before there is a request.
    pub edge: Edge,
    /// Client connections.
    pub connections: u64,
    /// Requests under way over HTTP/2.
    pub http2_streams: u64,
    /// Lines of the access log that were dropped.
    pub dropped_lines: u64,
}

impl Snapshot {
    /// The numbers of one route.
    pub fn route(&mut self, name: &str) -> &mut Numbers {
        self.routes.entry(name.to_owned()).or_default()
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        for (name, theirs) in &other.routes {
            let ours = self.route(name);
            ours.counts.add(&theirs.counts);
            ours.requests += theirs.requests;
            ours.tunnels += theirs.tunnels;
        }
        for (name, theirs) in &other.targets {
            self.targets.entry(name.clone()).or_default().add(theirs);
        }
        self.edge.add(&other.edge);
        self.connections += other.connections;
        self.http2_streams += other.http2_streams;
        self.dropped_lines += other.dropped_lines;
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        let pairs = self.classes.iter_mut().zip(other.classes);
        let pairs = pairs.chain(self.durations.iter_mut().zip(other.durations));
        pairs.for_each(|(ours, theirs)| *ours += theirs);
        self.micros = self.micros.saturating_add(other.micros);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.tunnels += other.tunnels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: u16, micros: u64) -> Ended {
        Ended {
            status,
            elapsed: Some(Duration::from_micros(micros)),
            bytes_in: 1,
            bytes_out: 2,
        }
    }

    #[test]
    fn a_duration_is_counted_at_the_first_bound_that_it_does_not_pass() {
        let meter = Meter::default();
        for micros in [0, 1_000, 1_001, 600_000_000, 600_000_001] {
            meter.count(ended(200, micros));
        }
        let counts = *meter.0.borrow();
        assert_eq!(counts.durations[0], 2);
        assert_eq!(counts.durations[1], 1);
        assert_eq!(counts.durations[11..], [1, 1]);
        assert_eq!((counts.bytes_in, counts.bytes_out), (5, 10));
    }

    #[test]
    fn workers_add_up_and_a_routes_numbers_survive_a_reload() {
        let meters = [Meters::default(), Meters::default()];
        let mut all = Snapshot::default();
        for worker in &meters {
            worker.of("lab").count(ended(404, 5));
            worker.of("gone").count(ended(0, 5));
            worker.none.count(ended(421, 5));
        }
        let [first, second] = &meters;
        let under_way = second.of("gone");
        for worker in &meters {
            worker.forget(|name| name == "lab");
            worker.of("lab").count_tunnel();
        }
        assert!(first.snapshot().routes.keys().eq(["lab", "none"]));
        assert!(second.snapshot().routes.keys().eq(["gone", "lab", "none"]));
        drop(under_way);
        for worker in &meters {
            worker.forget(|name| name == "lab");
            all.add(&worker.snapshot());
        }
        assert!(all.routes.keys().eq(["lab", "none"]));
        assert_eq!(all.routes["lab"].counts.tunnels, 2);
        assert_eq!(all.routes["lab"].counts.classes, [0, 0, 0, 0, 2, 0]);
        assert_eq!(all.routes["none"].counts.classes, [0, 0, 0, 0, 2, 0]);
    }
}
