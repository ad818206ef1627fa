//! The path that policy judged is the path that the tool gets (T12 to T18, T21).

use crate::support::{
    Lab, Origin, Request,
    lab::{MAIN, TOOL},
};

/// `/public/` for everybody, the rest of the tool's host for whoever is signed in.
fn half_public(origin: &Origin) -> Lab {
    let public = "host = \"tool.lab.test\"\npath = \"/public\"\naccess = \"public\"";
    Lab::builder()
        .tool(origin)
        .route("public", origin, public)
        .start()
}

/// Whether an answer keeps a stranger out.
fn kept_out(status: u16) -> bool {
    matches!(status, 303 | 400 | 401)
}

#[tokio::test]
async fn a_query_never_takes_part_in_a_path_rule() {
    // T12
    let origin = Origin::ok().await;
    let lab = half_public(&origin);
    let stranger = lab.browser();

    for target in [
        "/api?x=/public",
        "/api/private?/public/",
        "/?/public",
        "/api&/public",
    ] {
        let answer = stranger.get(&format!("{TOOL}{target}")).await;
        assert!(kept_out(answer.status), "{target}: {}", answer.status);
    }
    assert!(origin.seen().is_empty());

    let answer = stranger.get(&format!("{TOOL}/public?x=/api/private")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(origin.last().target, "/public?x=/api/private");
}

#[tokio::test]
async fn a_fragment_mark_is_data_when_encoded_and_an_error_when_raw() {
    // T13
    let origin = Origin::ok().await;
    let lab = half_public(&origin);
    let stranger = lab.browser();

    for target in ["/secret%23/public", "/secret%23/../public/x"] {
        let answer = stranger.get(&format!("{TOOL}{target}")).await;
        assert!(kept_out(answer.status), "{target}: {}", answer.status);
    }
    for target in ["/secret#/public", "/public#/x", "/public/x#"] {
        let answer = stranger.get(&format!("{TOOL}{target}")).await;
        assert_eq!(answer.status, 400, "{target}");
    }
    assert!(origin.seen().is_empty());

    assert_eq!(
        stranger.get(&format!("{TOOL}/public/a%23b")).await.status,
        200
    );
    assert_eq!(origin.last().target, "/public/a%23b");
}

#[tokio::test]
async fn no_spelling_of_a_dot_segment_leaves_a_public_path() {
    // T14
    let origin = Origin::ok().await;
    let lab = half_public(&origin);
    let stranger = lab.browser();
    let spellings = [
        "/public/../admin",
        "/public/..",
        "/public/%2e%2e/admin",
        "/public/%2E%2E/admin",
        "/public/.%2e/admin",
        "/public/..%2fadmin",
        "/public/..%2Fadmin",
        "/public/%2e%2e%2fadmin",
        "/public/..;/admin",
        "/public/..;a=b/admin",
        "/public/..\\admin",
        "/public/..%5cadmin",
        "/public\\..\\admin",
        "/public/x/../../admin",
        "/public/./../admin",
        "//admin",
        "/./admin",
        "//public/../admin",
    ];
    for target in spellings {
        let answer = stranger.get(&format!("{TOOL}{target}")).await;
        assert!(kept_out(answer.status), "{target}: {}", answer.status);
    }
    assert_eq!(origin.seen().len(), 0, "{:?}", origin.seen());

    for target in [
        "/public/admin",
        "/public/..admin",
        "/public/a..",
        "/public/...",
        "/public/.x",
    ] {
        assert_eq!(
            stranger.get(&format!("{TOOL}{target}")).await.status,
            200,
            "{target}"
        );
        assert_eq!(origin.last().target, target);
    }
}

#[tokio::test]
async fn a_path_arrives_byte_for_byte() {
    // T16
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let targets = [
        "/a%2Fb",
        "/a%2fb%20c%25d",
        "/a;b=c/d+e",
        "/a%3Fb",
        "//a//b/",
        "/files/x%2525.csv?",
        "/?",
        "/?a=%26&b=+&&c",
        "/caf%C3%A9/~user/(1)!*'",
        "/a@b:c,d$e",
        "/%41%7e",
    ];
    for target in targets {
        assert_eq!(
            ana.get(&format!("{TOOL}{target}")).await.status,
            200,
            "{target}"
        );
        assert_eq!(origin.last().target, target);
    }
}

#[tokio::test]
async fn a_prefix_ends_on_a_segment_border() {
    // T17
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route("ann", &origin, "path = \"/user/ann\"\naccess = \"public\"")
        .route(
            "rstudio",
            &origin,
            "path = \"/rstudio/\"\naccess = \"public\"",
        )
        .start();
    let stranger = lab.browser();

    let others = [
        "/user/anna",
        "/user/anna/x",
        "/user/an",
        "/rstudio2",
        "/rstudio2/x",
        "/user/ann%20",
    ];
    for target in others {
        let answer = stranger.get(&format!("{MAIN}{target}")).await;
        assert_ne!(answer.status, 200, "{target}");
    }
    assert!(origin.seen().is_empty());

    for target in ["/user/ann/", "/user/ann/x", "/rstudio/", "/rstudio/x?y"] {
        assert_eq!(
            stranger.get(&format!("{MAIN}{target}")).await.status,
            200,
            "{target}"
        );
        assert_eq!(origin.last().target, target);
    }
}

#[tokio::test]
async fn a_prefix_without_its_slash_is_sent_there() {
    // T17
    let origin = Origin::ok().await;
    let lines = "path = \"/rstudio/\"\nstrip_prefix = true\naccess = \"public\"";
    let lab = Lab::builder().route("rstudio", &origin, lines).start();

    let answer = lab.browser().navigate(&format!("{MAIN}/rstudio?x=1")).await;

    assert!(
        matches!(answer.status, 301 | 302 | 303 | 307 | 308),
        "{}",
        answer.status
    );
    let location = answer.location();
    assert_eq!(
        location.strip_prefix(MAIN).unwrap_or(location),
        "/rstudio/?x=1"
    );
}

#[tokio::test]
async fn every_spelling_of_a_host_is_the_same_host() {
    // T18
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let cookie = ana.session_cookie("tool.lab.test");
    let reached = origin.seen().len();
    let spellings = [
        "tool.lab.test",
        "TOOL.Lab.Test",
        "tool.lab.test.",
        "tool.lab.test:80",
    ];
    for host in spellings {
        let stranger = lab
            .raw(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"))
            .await;
        assert_eq!(stranger.status, 401, "{host}");
    }
    assert_eq!(origin.seen().len(), reached);
    for host in spellings {
        let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
        assert_eq!(lab.raw(head).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn only_one_way_of_naming_a_target_reaches_a_tool() {
    // T21
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    let refused = [
        "GET http://evil.example/ HTTP/1.1\r\nhost: open.lab.test\r\n\r\n",
        "GET http://open.lab.test/ HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        "CONNECT open.lab.test:80 HTTP/1.1\r\nhost: open.lab.test:80\r\n\r\n",
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: open.lab.test\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: open.lab.test\r\n\r\n",
        "GET open.lab.test HTTP/1.1\r\nhost: open.lab.test\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: open.lab.test\r\nhost: lab.test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: open.lab.test, lab.test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a@open.lab.test\r\n\r\n",
    ];
    for message in refused {
        let mut connection = lab.connect().await;
        connection.send(message).await;
        let answer = connection.response().await;
        assert!(
            matches!(answer.status, 400 | 405 | 421),
            "{message:?}: {}",
            answer.status
        );
        connection
            .send("GET / HTTP/1.1\r\nhost: open.lab.test\r\n\r\n")
            .await;
        if message.starts_with("CONNECT") {
            let rest = connection.ends().await;
            assert!(rest.is_empty(), "a refused CONNECT tunnels nothing");
        }
    }

    let absolute = "GET http://open.lab.test/x?y HTTP/1.1\r\nhost: open.lab.test\r\n\r\n";
    assert_eq!(lab.raw(absolute).await.status, 200);
    assert_eq!(
        origin.last().target,
        "/x?y",
        "the tool gets the origin form"
    );
    let options = Request::new("OPTIONS", "http://open.lab.test/x");
    assert_eq!(lab.browser().send(options).await.status, 200);
}
