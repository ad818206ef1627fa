//! The audit log: who came, what was refused, how it ended; never a secret (T82), and no line that a
//! client made up.

use rustix::process::Signal;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use futures_util::StreamExt;
use serde_json::Value;

use crate::support::{
    Lab, Origin, Request,
    lab::{Builder, MAIN, TOOL},
    within,
};

/// With an audit log of its own in the lab's folder.
fn with_log(builder: Builder) -> (Builder, std::path::PathBuf) {
    let path = builder.folder().join("audit.log");
    let builder = builder.config(&format!("[log]\naudit = \"{}\"", path.display()));
    (builder, path)
}

fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

/// The only event of this name.
fn one<'e>(events: &'e [Value], name: &str) -> &'e Value {
    let mut found = events.iter().filter(|event| event["message"] == name);
    let first = found.next();
    assert!(found.next().is_none(), "{name} twice: {events:#?}");
    first.unwrap_or_else(|| panic!("no {name}: {events:#?}"))
}

/// A failed sign-in, a good one, three forged requests, a stranger's, a WebSocket and a sign-out.
async fn come_and_go(lab: &Lab) {
    let sign_in = format!("{MAIN}/.labgate/sign-in");
    let typed = "ana\r\n{\"message\":\"signed-in\"}\u{1b}[2J";
    lab.browser()
        .submit_sign_in(&sign_in, typed, "s3cret-wrong")
        .await;
    let browser = lab.at_tool("ana").await;
    for _ in 0..3 {
        let forged = Request::new("POST", &format!("{TOOL}/api?token=s3cret-token"))
            .header("origin", "http://evil.example");
        assert_eq!(browser.send(forged).await.status, 403);
    }
    let stranger = lab.browser().get(&format!("{TOOL}/api")).await;
    assert_eq!(stranger.status, 401);
    let mut socket = browser
        .websocket(&format!("{TOOL}/socket?token=s3cret-token"))
        .await
        .unwrap();
    browser.sign_out().await;
    within("the tunnel's end", async {
        while socket.next().await.is_some() {}
    })
    .await;
}

#[tokio::test]
async fn who_came_what_was_refused_and_how_it_ended_stands_in_the_log() {
    let origin = Origin::ok().await;
    let (builder, path) = with_log(Lab::builder().tool(&origin));
    let lab = builder.start();
    come_and_go(&lab).await;

    let mut told = Vec::new();
    let mut mode = 0;
    lab.stop_then(|| {
        told = events(&path);
        mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert!(!fs::read_to_string(&path).unwrap().contains("s3cret"));
    });

    assert_eq!(mode, 0o600);
    let names: Vec<&str> = told
        .iter()
        .map(|event| event["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        (names[0], names[names.len() - 1]),
        ("server-started", "server-stopped")
    );
    let signed_in = one(&told, "signed-in");
    let session = &signed_in["session"];
    for (field, value) in [
        ("user", "ana"),
        ("provider", "config"),
        ("method", "password"),
    ] {
        assert_eq!(signed_in[field], value);
    }
    let failed = one(&told, "sign-in-failed");
    assert_eq!(
        (&failed["reason"], &failed["client"]),
        (&"wrong".into(), &"127.0.0.1".into())
    );
    let name = failed["name"].as_str().unwrap();
    assert!(
        name.starts_with("ana\u{fffd}\u{fffd}{") && !name.contains('\u{1b}'),
        "{name}"
    );
    let entered = one(&told, "handed-over");
    assert_eq!(
        (&entered["session"], &entered["host"]),
        (session, &"tool.lab.test".into())
    );
    let refused = |reason: &str| {
        told.iter()
            .filter(|event| event["message"] == "refused" && event["reason"] == reason)
            .collect::<Vec<_>>()
    };
    let [forged] = refused("cross-site-method")[..] else {
        panic!("{told:#?}")
    };
    assert_eq!(
        (&forged["user"], &forged["route"]),
        (&"ana".into(), &"tool".into())
    );
    assert_eq!(
        (&forged["path"], &forged["method"]),
        (&"/api".into(), &"POST".into())
    );
    assert_eq!(refused("sign-in-required").len(), 1);
    let repeated = one(&told, "repeated");
    assert_eq!(
        (&repeated["reason"], &repeated["count"]),
        (&"cross-site-method".into(), &2.into())
    );
    let (opened, closed) = (one(&told, "tunnel-opened"), one(&told, "tunnel-closed"));
    assert_eq!(opened["request_id"], closed["request_id"]);
    for tunnel in [opened, closed] {
        assert_eq!(
            (&tunnel["session"], &tunnel["user"]),
            (session, &"ana".into())
        );
    }
    assert_eq!(closed["reason"], "session-ended");
    let ended = one(&told, "session-ended");
    assert_eq!(
        (&ended["reason"], &ended["session"]),
        (&"signed-out".into(), session)
    );
}

#[tokio::test]
async fn a_hang_up_opens_the_file_anew_even_with_a_configuration_that_is_refused() {
    let (builder, path) = with_log(Lab::builder());
    let lab = builder.start();
    let moved = path.with_extension("log.1");
    let appears = async |name: &str| {
        within(name, async {
            let told = || fs::read_to_string(&path).unwrap_or_default();
            while !told().contains(&format!("\"message\":\"{name}\"")) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    appears("server-started").await;
    fs::rename(&path, &moved).unwrap();
    lab.signal(Signal::HUP);
    appears("configuration-reloaded").await;
    let reloaded = events(&path);
    assert_eq!(one(&reloaded, "configuration-reloaded")["generation"], 1);
    assert_eq!(one(&events(&moved), "server-started")["target"], "audit");

    fs::remove_file(&path).unwrap();
    fs::write(path.with_file_name("further.toml"), "nonsense = true").unwrap();
    lab.signal(Signal::HUP);
    appears("configuration-refused").await;
    assert_eq!(
        one(&events(&path), "configuration-refused")["generation"],
        1
    );
}

#[tokio::test]
async fn it_goes_where_all_else_goes_and_can_be_switched_off() {
    let audited = |output: &str| output.contains("\"target\":\"audit\"");
    let lab = Lab::builder().start();
    lab.sign_in("ana").await;
    assert!(audited(&lab.stop()));
    let lab = Lab::builder().config("[log]\naudit = \"off\"").start();
    lab.sign_in("ana").await;
    let output = lab.stop();
    assert!(
        !audited(&output) && output.contains("\"target\":\"access\""),
        "{output}"
    );
}
