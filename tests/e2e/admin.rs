//! The address of `[admin]`: numbers for programs of operators (T54).

use std::net::SocketAddr;

use crate::support::{
    Lab, Origin,
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
