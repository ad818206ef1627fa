//! The address of `[admin]`: numbers for programs of operators (T54).

use rustix::process::Signal;
use std::{fs, net::SocketAddr};

use crate::support::{
    Lab, Origin, Request, exposition,
    lab::{MAIN, MAIN_HOST, OPEN, TOOL},
    raw::{Connection, Response},
    within,
};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"";

async fn asked(address: SocketAddr, path: &str, fields: &str) -> Response {
    let mut connection = Connection::open(address).await;
    let head = format!("GET {path} HTTP/1.1\r\n{fields}\r\n");
    connection.send(head).await;
    connection.response().await
}

/// A number, once it is as large as this: an exchange may be over for its client a moment before it
/// is counted.
async fn reaches(lab: &Lab, line: &str, least: u64) {
    let counted = async {
        loop {
            let text = asked(lab.admin(), "/metrics", "host: localhost\r\n").await;
            let text = text.text();
            let value = text.lines().find_map(|found| found.strip_prefix(line));
            let value = value.unwrap_or_else(|| panic!("{line}: {text}"));
            if value.trim().parse::<u64>().unwrap() >= least {
                break;
            }
        }
    };
    within(line, counted).await;
}

#[tokio::test]
async fn requests_tunnels_and_sign_ins_are_counted_by_route() {
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .tool(&origin)
        .open(&origin)
        .config(ADMIN)
        .start();
    reaches(
        &lab,
        "labgate_requests_total{route=\"open\",status_class=\"2xx\"}",
        0,
    )
    .await;
    let ana = lab.at_tool("ana").await;
    let socket = ana.websocket(TOOL).await.unwrap();
    lab.browser().get(&format!("{OPEN}/x")).await;
    lab.browser().get(&format!("{MAIN}/nowhere")).await;
    let sign_in = format!("{MAIN}/.labgate/sign-in");
    lab.browser()
        .submit_sign_in(&sign_in, "ana", "not the password")
        .await;
    let target = format!("target=\"{}\"", origin.upstream());
    for (line, least) in [
        (
            "labgate_requests_total{route=\"open\",status_class=\"2xx\"}",
            1,
        ),
        (
            "labgate_requests_total{route=\"tool\",status_class=\"3xx\"}",
            1,
        ),
        (
            "labgate_requests_total{route=\"none\",status_class=\"4xx\"}",
            1,
        ),
        ("labgate_request_duration_seconds_count{route=\"open\"}", 1),
        ("labgate_response_bytes_total{route=\"open\"}", 2),
        ("labgate_open_streams{route=\"tool\",kind=\"tunnel\"}", 1),
        ("labgate_open_connections", 1),
        ("labgate_sign_ins_total{outcome=\"success\"}", 1),
        ("labgate_sign_ins_total{outcome=\"wrong\"}", 1),
        ("labgate_tunnels_total{route=\"tool\"}", 1),
        ("labgate_connections_total{protocol=\"http1\"}", 3),
        (&format!("labgate_upstream_connects_total{{{target}}}"), 2),
        (&format!("labgate_upstream_reuses_total{{{target}}}"), 0),
        (
            &format!("labgate_upstream_connections{{{target},state=\"tunnel\"}}"),
            1,
        ),
        ("process_open_fds", 10),
        ("labgate_sessions", 1),
        ("labgate_build_info{version=\"0.1.0\"}", 1),
    ] {
        reaches(&lab, line, least).await;
    }
    drop(socket);
    let over = "labgate_requests_total{route=\"tool\",status_class=\"1xx\"}";
    reaches(&lab, over, 1).await;
    let text = asked(lab.admin(), "/metrics", "host: localhost\r\n").await;
    let tunnels = "labgate_open_streams{route=\"tool\",kind=\"tunnel\"} 0\n";
    assert!(text.text().contains(tunnels), "{}", text.text());
    assert!(!text.text().contains("nowhere"), "no client makes labels");
    exposition::parse(&text.text()).unwrap_or_else(|wrong| panic!("{wrong}"));
}

/// Of a line, in a lab whose workers are one, so that requests find the connections of others.
async fn number(lab: &Lab, line: &str) -> u64 {
    let text = asked(lab.admin(), "/metrics", "host: localhost\r\n")
        .await
        .text();
    let value = text.lines().find_map(|found| found.strip_prefix(line));
    let value = value.unwrap_or_else(|| panic!("{line}: {text}"));
    value.trim().parse().unwrap()
}

#[tokio::test]
async fn connections_to_tools_are_counted_as_they_are_used() {
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .open(&origin)
        .route("away", &origin, "path = \"/away\"\naccess = \"public\"")
        .config(ADMIN)
        .config("[server]\nworkers = 1\n[[route]]\nname = \"away\"\nupstream = \"unix:/no/such\\\"socket\"")
        .start();
    let target = format!("{{target=\"{}\"}}", origin.upstream());
    for _ in 0..3 {
        assert_eq!(lab.browser().get(&format!("{OPEN}/x")).await.status, 200);
    }
    assert_eq!(lab.browser().get(&format!("{MAIN}/away")).await.status, 502);
    let away = "{target=\"unix:/no/such\\\"socket\"}";
    for (line, expected) in [
        (format!("labgate_upstream_connects_total{target}"), 1),
        (format!("labgate_upstream_reuses_total{target}"), 2),
        (
            format!("labgate_upstream_connect_failures_total{target}"),
            0,
        ),
        (format!("labgate_upstream_connects_total{away}"), 0),
        (format!("labgate_upstream_connect_failures_total{away}"), 1),
    ] {
        assert_eq!(number(&lab, &line).await, expected, "{line}");
    }
    let text = asked(lab.admin(), "/metrics", "host: localhost\r\n")
        .await
        .text();
    exposition::parse(&text).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[tokio::test]
async fn what_is_refused_before_a_route_is_counted_by_reason() {
    let lab = Lab::builder().config(ADMIN).start();
    let twice = "GET / HTTP/1.1\r\nhost: lab.test\r\nhost: lab.test\r\n\r\n";
    assert_eq!(lab.raw(twice).await.status, 400);
    reaches(
        &lab,
        "labgate_refused_heads_total{reason=\"bad_request\"}",
        1,
    )
    .await;
    assert_eq!(
        number(&lab, "labgate_refused_heads_total{reason=\"timeout\"}").await,
        0
    );
}

#[tokio::test]
async fn a_sign_in_at_a_tools_host_is_none() {
    let origin = Origin::ok().await;
    let lab = Lab::builder().tool(&origin).config(ADMIN).start();
    let form = Request::new("POST", &format!("{TOOL}/.labgate/sign-in"))
        .header("origin", TOOL)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("username=ana&password=x&csrf=x");
    assert_eq!(lab.browser().send(form).await.status, 404);
    let text = asked(lab.admin(), "/metrics", "host: localhost\r\n")
        .await
        .text();
    let counts = text
        .lines()
        .filter(|line| line.starts_with("labgate_sign_ins_total{"));
    let counts: Vec<&str> = counts.collect();
    assert!(
        counts.len() == 7 && counts.iter().all(|line| line.ends_with(" 0")),
        "{counts:?}"
    );
}

#[tokio::test]
async fn reloads_are_counted_and_the_last_one_told() {
    let builder = Lab::builder().config(ADMIN);
    let further = builder.folder().join("further.toml");
    let lab = builder.start();
    let successful = "labgate_config_last_reload_successful";
    assert_eq!(number(&lab, successful).await, 1);
    fs::write(&further, "nonsense = true").unwrap();
    lab.signal(Signal::HUP);
    reaches(&lab, "labgate_config_reloads_total{outcome=\"refused\"}", 1).await;
    assert_eq!(number(&lab, successful).await, 0);
    fs::write(&further, ADMIN).unwrap();
    lab.signal(Signal::HUP);
    reaches(&lab, "labgate_config_reloads_total{outcome=\"applied\"}", 1).await;
    assert_eq!(number(&lab, successful).await, 1);
}

#[tokio::test]
async fn programs_get_the_numbers_and_browsers_do_not() {
    // T54
    let lab = Lab::builder().config(ADMIN).start();
    let address = lab.admin();
    let itself = format!("host: {address}\r\n");
    for path in ["/metrics", "/live", "/ready"] {
        let status = async |fields: &str| asked(address, path, fields).await.status;
        assert_eq!(status(&itself).await, 200, "{path}");
        assert_eq!(status("host: localhost\r\n").await, 200, "{path}");
        assert_eq!(status("host: evil.example\r\n").await, 421, "{path}");
        assert_eq!(status(&format!("host: {MAIN_HOST}\r\n")).await, 421);
        for field in [
            "origin: http://localhost",
            "sec-fetch-site: none",
            "x-forwarded-for: 127.0.0.1",
        ] {
            let fields = format!("{itself}{field}\r\n");
            assert_eq!(status(&fields).await, 403, "{path} {field}");
        }
    }
    for path in [
        "/",
        "/metrics/",
        "/.labgate/live",
        "/metrics/../metrics",
        "/api/v1/users",
    ] {
        assert_eq!(asked(address, path, &itself).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn no_listener_answers_what_the_admin_address_does() {
    // T54
    let lab = Lab::builder().config(ADMIN).start();
    for host in [MAIN_HOST, "localhost", "127.0.0.1"] {
        let fields = format!("host: {host}\r\n");
        let answer = asked(lab.address(), "/metrics", &fields).await;
        assert!(matches!(answer.status, 404 | 421), "{host}");
        assert!(!answer.text().contains("labgate_build_info"), "{host}");
    }
}
