//! What does finding the route cost, and does it grow with the number of routes?
//!
//! It must not: 10,000 routes within 1.5 times the cost of 10, and a hit below 200 ns, or the
//! look-up by prefix is to be replaced.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up has nothing to say"
)]

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use labgate::{
    config::{Access, App, HeaderRules, HostPattern, IdentityHeaders, Route, Upstream},
    http::{
        site::{Host, PublicUrl},
        sites::Sites,
    },
    route::{RoutePath, RouteTable},
};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

fn host() -> Host {
    "lab.example.org".parse().unwrap()
}

/// One route per user, as a data platform has them.
fn table(size: usize) -> RouteTable {
    let routes: Vec<Route> = (0..size)
        .map(|user| Route {
            name: format!("user-{user}"),
            title: String::new(),
            host: Some(HostPattern::Exact(host())),
            path: format!("/user/{user:05}/"),
            upstreams: vec![Upstream::Http {
                host: "127.0.0.1".to_owned(),
                port: 8888,
            }],
            upstream_ca: None,
            app: App::Generic,
            token: None,
            access: Access::SignedIn,
            strip_prefix: false,
            require_listener: None,
            max_body: None,
            identity_headers: IdentityHeaders::Standard,
            headers: HeaderRules::default(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: None,
            stall_timeout: None,
        })
        .collect();
    let url = PublicUrl {
        https: true,
        host: host(),
        port: None,
    };
    RouteTable::new(&routes, &Sites::new(url, Vec::new()))
}

fn route_match(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route_match");
    for (name, raw) in [
        ("hit", "/user/00007/lab/api/contents/data/a.ipynb"),
        (
            "hit_encoded",
            "/user/00007/lab/api/contents/my%20data/a.ipynb",
        ),
        ("miss", "/other/00007/lab/api/contents/data/a.ipynb"),
    ] {
        for size in SIZES {
            let table = table(size);
            let host = host();
            let id = BenchmarkId::new(name, format!("{size}_routes"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let path = RoutePath::parse(black_box(raw));
                    path.map(|path| table.find(black_box(&host), &path))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, route_match);
criterion_main!(benches);
