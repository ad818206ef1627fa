//! What operators do while a server runs, by the admin socket, and the same without one.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use futures_util::StreamExt;
use redb::{ReadableDatabase as _, TableDefinition};
use rustix::{
    process::{Pid, Signal, geteuid, kill_process},
    thread::set_thread_uid,
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    GRACE, Lab, Origin,
    browser::WebSocket,
    lab::{MAIN, PASSWORD, TOOL},
    raw::{Connection, Response},
    within,
};

const NEW: &str = "another horse, another battery";
const OURS: &str = "state/labgate-state";

/// What a command left: exit code, standard output, standard error.
type Ran = (i32, String, String);

/// Runs `labgate` in a folder, with these configuration files.
fn run(folder: &Path, files: &[&str], arguments: &[&str], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labgate"));
    command.args(arguments).current_dir(folder).env_clear();
    for file in files {
        command.args(["-c", file]);
    }
    command.env("HOME", folder).env("PASSWORD", PASSWORD);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // One that reads no input may have ended by then.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// Runs it with the configuration of a lab.
fn on(lab: &Lab, arguments: &[&str], input: &str) -> Ran {
    run(
        lab.folder(),
        &["labgate.toml", "further.toml"],
        arguments,
        input,
    )
}

/// What it printed; fails the test unless it did what it should.
fn done(ran: Ran) -> String {
    let (code, out, err) = ran;
    // The lab is a site on plain http, which a reload warns of.
    let told: Vec<_> = err
        .lines()
        .filter(|line| !line.contains("is plain http"))
        .collect();
    assert_eq!((code, told), (0, Vec::new()), "{out}");
    out
}

/// A folder with a state and `alone.toml`, and no server.
fn alone() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("state")).unwrap();
    let text = format!(
        "[server]\npublic_url = \"{MAIN}\"\nstate_dir = \"state\"\n[identity.local]\n\
         user = [{{ name = \"ana\", password = \"{PASSWORD}\", groups = [\"analysts\"] }}]\n"
    );
    fs::write(folder.path().join("alone.toml"), text).unwrap();
    folder
}

fn socket_of(folder: &Path) -> PathBuf {
    folder.join(OURS).join("admin.sock")
}

/// A lab with a tool and `eve` in its store, added while it runs.
fn with_eve(origin: &Origin) -> Lab {
    let lab = Lab::with_tool(origin);
    let add = ["user", "add", "eve", "--password-stdin"];
    assert_eq!(
        done(on(&lab, &add, &format!("{PASSWORD}\n"))),
        "added eve\n"
    );
    lab
}

async fn tool() -> Origin {
    use crate::support::Answer;
    Origin::answering(|seen| match seen.target.as_str() {
        "/socket" => Answer::WebSocket(String::new()),
        _ => Answer::text("ok"),
    })
    .await
}

/// The code of the close frame that ends a WebSocket within the grace.
async fn close_code(mut socket: WebSocket) -> Option<u16> {
    let closed = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    };
    let closed = tokio::time::timeout(GRACE, closed).await;
    closed.expect("the tunnel ends in time")
}

async fn whoami(browser: &crate::support::Browser) -> u16 {
    browser.get(&format!("{MAIN}/.labgate/whoami")).await.status
}

async fn sign_in_status(lab: &Lab, name: &str, password: &str) -> u16 {
    let url = format!("{MAIN}/.labgate/sign-in");
    let browser = lab.browser();
    browser.submit_sign_in(&url, name, password).await.status
}

#[tokio::test]
async fn a_user_who_is_added_while_the_server_runs_signs_in() {
    let lab = with_eve(&tool().await);
    assert_eq!(sign_in_status(&lab, "eve", PASSWORD).await, 303);
    assert_eq!(sign_in_status(&lab, "eve", NEW).await, 401);
    let link = done(on(&lab, &["user", "add", "dan"], ""));
    let link = link.lines().last().unwrap();
    let page = lab.browser().navigate(link).await;
    assert!(page.text().contains("Welcome, dan"), "{}", page.text());
    let log = lab.stop();
    assert!(!log.contains(PASSWORD) && !log.contains(link), "{log}");
}

#[tokio::test]
async fn commands_do_the_same_with_a_server_and_without() {
    let lab = Lab::builder().start();
    let alone = alone();
    let password = format!("{PASSWORD}\n");
    for (arguments, input, code) in [
        (
            &["user", "add", "eve", "--password-stdin"][..],
            &*password,
            0,
        ),
        (&["user", "add", "eve"], "", 1),
        (&["user", "add", "EVE"], "", 1),
        (&["user", "add", "Ana"], "", 1),
        (&["user", "add", "../eve"], "", 64),
        (&["user", "add", "x", "--email", "x@y@z"], "", 64),
        (&["user", "add", "x", "--group", "a,b"], "", 64),
        (&["user", "add", "x", "--password-stdin"], "short\n", 64),
        (&["user", "disable", "ana"], "", 1),
        (&["user", "disable", "nobody/../eve"], "", 1),
        (&["user", "passwd", "eve"], "\n", 64),
        (&["user", "passwd", "eve"], &*password, 0),
        (&["user", "passwd", "dan"], &*password, 1),
        (&["user", "disable", "eve"], "", 0),
        (&["user", "link", "eve"], "", 1),
        (&["session", "list"], "", 0),
        (&["session", "revoke", "--user", "eve"], "", 0),
        (&["session", "revoke", "0000000000000000"], "", 1),
        (&["session", "revoke", "eve"], "", 64),
        (&["session", "revoke"], "", 64),
        (
            &["session", "revoke", "0000000000000000", "--user", "eve"],
            "",
            64,
        ),
        (&["user", "remove", "eve"], "", 0),
        (&["user", "remove", "eve"], "", 1),
    ] {
        let with = on(&lab, arguments, input);
        let without = run(alone.path(), &["alone.toml"], arguments, input);
        assert_eq!(with, without, "{arguments:?}");
        assert_eq!(with.0, code, "{arguments:?}: {with:?}");
        assert_eq!(with.1.is_empty(), code != 0, "{arguments:?}: {with:?}");
    }
    let bad = fs::write(alone.path().join("alone.toml"), "[server]\nworker = 1\n");
    bad.unwrap();
    for command in [
        &["user", "list"][..],
        &["session", "list"],
        &["reload"],
        &["backup", "x"],
    ] {
        let (code, out, err) = run(alone.path(), &["alone.toml"], command, "");
        assert_eq!((code, out.as_str()), (78, ""), "{command:?}");
        assert!(err.starts_with("alone.toml:2:1: server.worker: "), "{err}");
    }
}

#[tokio::test]
async fn explain_asks_the_server_what_it_knows_of_a_user() {
    let lab = with_eve(&tool().await);
    let explain = |name| on(&lab, &["explain", TOOL, "--as", name], "");
    let (code, out, _) = explain("eve");
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("visitor      eve\n"), "{out}");
    let (_, out, _) = explain("dan");
    assert!(
        out.contains("neither in the configuration nor in the store"),
        "{out}"
    );
    done(on(&lab, &["user", "disable", "eve"], ""));
    let (code, out, _) = explain("eve");
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("disabled"), "{out}");
}

#[tokio::test]
async fn who_is_disabled_removed_or_given_a_password_is_out_at_once() {
    // T37
    let origin = tool().await;
    let lab = with_eve(&origin);
    let bob = lab.at_tool("bob").await;
    let _bobs = bob.websocket(&format!("{TOOL}/socket")).await.unwrap();
    let add = ["user", "add", "eve", "--password-stdin"];
    for (arguments, said) in [
        (["user", "passwd", "eve"], "new password for eve"),
        (["user", "disable", "eve"], "disabled eve"),
        (["user", "remove", "eve"], "removed eve"),
    ] {
        let eve = lab.at_tool("eve").await;
        let socket = eve.websocket(&format!("{TOOL}/socket")).await.unwrap();
        let asked = arguments.join(" ");
        let out = done(on(&lab, &arguments, &format!("{NEW}\n")));
        assert_eq!(out, format!("{said}; 1 session ended\n"));
        assert_eq!(close_code(socket).await, Some(1008), "{asked}");
        assert_eq!(whoami(&eve).await, 401, "{asked}");
        assert_eq!(sign_in_status(&lab, "eve", PASSWORD).await, 401, "{asked}");
        // Back to how it was.
        if said.starts_with("removed") {
            done(on(&lab, &add, &format!("{PASSWORD}\n")));
        } else {
            done(on(
                &lab,
                &["user", "passwd", "eve"],
                &format!("{PASSWORD}\n"),
            ));
        }
    }
    assert_eq!(whoami(&bob).await, 200);
    let open = origin.seen();
    let theirs = open
        .iter()
        .filter(|seen| seen.target == "/socket" && !seen.gone);
    let users: Vec<_> = theirs
        .filter_map(|seen| seen.headers.get("x-forwarded-user"))
        .collect();
    assert_eq!(users, ["bob"], "the tunnels of others go on");
}

#[tokio::test]
async fn sessions_are_listed_and_end_by_id_or_by_user() {
    let origin = tool().await;
    let lab = Lab::with_tool(&origin);
    let (ana, bob) = (lab.at_tool("ana").await, lab.at_tool("bob").await);
    let out = done(on(&lab, &["session", "list"], ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with("ID "), "{out}");
    let of_ana = done(on(&lab, &["session", "list", "--user", "ana"], ""));
    let mut cells = of_ana.lines().nth(1).unwrap().split_whitespace();
    let id = cells.next().unwrap();
    assert_eq!(
        (cells.next(), cells.next()),
        (Some("ana"), Some("127.0.0.1"))
    );
    assert_eq!(of_ana.lines().count(), 2, "{of_ana}");

    let socket = ana.websocket(&format!("{TOOL}/socket")).await.unwrap();
    let bobs = bob.websocket(&format!("{TOOL}/socket")).await.unwrap();
    assert_eq!(
        done(on(&lab, &["session", "revoke", id], "")),
        "1 session ended\n"
    );
    assert_eq!(close_code(socket).await, Some(1008));
    assert_eq!((whoami(&ana).await, whoami(&bob).await), (401, 200));
    let revoke = ["session", "revoke", "--user", "bob"];
    assert_eq!(done(on(&lab, &revoke, "")), "1 session ended\n");
    assert_eq!(close_code(bobs).await, Some(1008));
    assert_eq!(whoami(&bob).await, 401);
    assert_eq!(done(on(&lab, &revoke, "")), "0 sessions ended\n");
    assert_eq!(
        sign_in_status(&lab, "bob", PASSWORD).await,
        303,
        "a new one is fine"
    );
}

#[tokio::test]
async fn sessions_end_without_a_server_too() {
    let origin = tool().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    done(on(&lab, &["backup", copy.to_str().unwrap()], ""));
    let alone = alone();
    restore(&copy, alone.path());
    let here = |arguments: &[&str]| done(run(alone.path(), &["alone.toml"], arguments, ""));
    let out = here(&["session", "list", "--user", "ana"]);
    assert_eq!(out.lines().count(), 2, "{out}");
    assert_eq!(
        here(&["session", "revoke", "--user", "ana"]),
        "1 session ended\n"
    );
    assert_eq!(here(&["session", "list"]).lines().count(), 1);
    assert_eq!(whoami(&ana).await, 200, "of the other store");
}

#[tokio::test]
async fn a_reload_is_asked_for_and_told_about() {
    let origin = tool().await;
    let lab = Lab::builder().open(&origin).start();
    let further = lab.folder().join("further.toml");
    let later = format!("{MAIN}/later");
    assert_eq!(lab.browser().get(&later).await.status, 404);
    let route = format!(
        "[[route]]\nname = \"later\"\npath = \"/later\"\nupstream = \"{}\"\naccess = \"public\"\n",
        origin.upstream()
    );
    fs::write(&further, &route).unwrap();
    assert_eq!(done(on(&lab, &["reload"], "")), "reloaded\n");
    assert_eq!(lab.browser().get(&later).await.status, 200);

    let fixed = format!("[server]\nworkers = 7\n[admin]\naddress = \"127.0.0.1:0\"\n{route}");
    fs::write(&further, fixed).unwrap();
    assert_eq!(
        done(on(&lab, &["reload"], "")),
        "reloaded, but for what needs a restart of the server: admin.address, server.workers\n"
    );

    fs::write(&further, "[limits]\nmax_headers = 0\n[ui]\naccent = 1\n").unwrap();
    // A command that can read its own files hears of the server's.
    let state = lab.folder().join("state");
    let other = format!("[server]\nstate_dir = \"{}\"\n", state.display());
    fs::write(lab.folder().join("other.toml"), other).unwrap();
    for files in [&["other.toml"][..], &["labgate.toml", "further.toml"]] {
        let (code, out, err) = run(lab.folder(), files, &["reload"], "");
        assert_eq!((code, out.as_str()), (78, ""), "{err}");
        assert!(
            err.contains("further.toml:2:15: limits.max_headers: "),
            "{err}"
        );
        assert!(err.contains("further.toml:4:10: ui.accent: "), "{err}");
    }
    assert_eq!(
        lab.browser().get(&later).await.status,
        200,
        "the old one stays"
    );
    assert!(lab.output().contains("the old one stays in use"));
}

#[tokio::test]
async fn a_reload_does_not_lose_the_audit_log() {
    let origin = tool().await;
    let builder = Lab::builder().tool(&origin);
    let [old, new] = ["old.log", "new.log"].map(|name| builder.folder().join(name));
    let to = |path: &Path| format!("[log]\naudit = \"{}\"", path.display());
    let lab = builder.config(&to(&old)).start();
    let reload = |config: String| {
        fs::write(lab.folder().join("further.toml"), config).unwrap();
        on(&lab, &["reload"], "")
    };

    let (code, out, err) = reload(to(Path::new("/absent/audit.log")));
    assert_eq!((code, out.as_str()), (78, ""), "{err}");
    let why = "log.audit: cannot write to /absent/audit.log: No such file";
    assert!(err.contains(why), "{err}");
    assert_eq!(done(reload(to(&new))), "reloaded\n");

    lab.stop_then(|| {
        let [old, new] = [&old, &new].map(|path| fs::read_to_string(path).unwrap());
        assert!(old.contains("configuration-refused"), "{old}");
        assert!(!old.contains("configuration-reloaded"), "{old}");
        assert!(new.contains("configuration-reloaded"), "{new}");
    });
}

#[tokio::test]
async fn a_server_that_stops_says_so_to_who_asks_for_a_reload() {
    // T91
    let origin = tool().await;
    let limits = "[limits]\ndrain_timeout = \"60s\"";
    let lab = Lab::builder().tool(&origin).config(limits).start();
    let ana = lab.at_tool("ana").await;
    let _under_way = ana.websocket(&format!("{TOOL}/socket")).await.unwrap();
    lab.signal(Signal::TERM);
    lab.says("\"stopping\"", 1).await;
    let folder = lab.folder().to_owned();
    let files = ["labgate.toml", "further.toml"];
    let ran = move || run(&folder, &files, &["reload"], "");
    let ran = within("an answer", tokio::task::spawn_blocking(ran)).await;
    let (code, out, err) = ran.unwrap();
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("the server is stopping"), "{err}");
    // Others are served as long as something is under way.
    let listed = done(on(&lab, &["session", "list"], ""));
    assert!(listed.contains("ana"), "{listed}");
}

#[test]
fn without_a_server_there_is_nothing_to_reload() {
    let alone = alone();
    let (code, out, err) = run(alone.path(), &["alone.toml"], &["reload"], "");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("labgate: no server runs on "), "{err}");
    assert!(!alone.path().join(OURS).exists(), "nothing is made for it");
}

/// Puts a copy where a store is, as `docs/operating.md` says.
fn restore(copy: &Path, folder: &Path) {
    let ours = folder.join(OURS);
    fs::create_dir_all(&ours).unwrap();
    fs::copy(copy, ours.join("store.redb")).unwrap();
}

#[tokio::test]
async fn a_backup_of_a_running_server_is_whole_and_can_be_restored() {
    let lab = with_eve(&tool().await);
    let eve = lab.sign_in("eve").await;
    let cookie = eve.session_cookie("lab.test");
    let copy = lab.folder().join("copy");
    let out = done(on(&lab, &["backup", "copy"], ""));
    assert!(out.starts_with("the store is copied to copy; "), "{out}");
    assert!(out.contains("state/labgate-state/store.redb"), "{out}");
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);

    fs::write(lab.folder().join("other"), "precious").unwrap();
    symlink("nowhere", lab.folder().join("link")).unwrap();
    for taken in ["copy", "other", "link"] {
        let (code, out, err) = on(&lab, &["backup", taken], "");
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains("is there already"), "{err}");
    }
    assert_eq!(fs::read(lab.folder().join("other")).unwrap(), b"precious");
    let (code, _, err) = on(&lab, &["backup", "no/such/folder"], "");
    assert_eq!(code, 1, "{err}");
    let left = fs::read_dir(lab.folder()).unwrap();
    let mut left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(
        !left.any(|name| name.starts_with('.')),
        "nothing half-written stays"
    );

    let restored = Lab::builder();
    restore(&copy, restored.folder());
    let restored = restored.start();
    assert_eq!(sign_in_status(&restored, "eve", PASSWORD).await, 303);
    let again = restored.browser();
    let (name, value) = cookie.split_once('=').unwrap();
    again.plant("lab.test", name, value);
    assert_eq!(whoami(&again).await, 200, "with its sessions");
}

#[test]
fn a_backup_needs_no_server_but_a_store() {
    let alone = alone();
    let here = |arguments: &[&str]| run(alone.path(), &["alone.toml"], arguments, "");
    let (code, _, err) = here(&["backup", "copy"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("labgate: there is no store at "), "{err}");
    assert!(!alone.path().join(OURS).exists() && !alone.path().join("copy").exists());
    done(here(&["user", "add", "eve"]));
    done(here(&["backup", "copy"]));
    let other = self::alone();
    restore(&alone.path().join("copy"), other.path());
    let users = done(run(other.path(), &["alone.toml"], &["user", "list"], ""));
    assert!(users.contains("eve   no password yet"), "{users}");
}

#[test]
fn a_store_of_a_newer_labgate_is_refused_by_all() {
    let alone = alone();
    let here = |arguments: &[&str]| run(alone.path(), &["alone.toml"], arguments, "");
    done(here(&["user", "add", "eve"]));
    let file = alone.path().join(OURS).join("store.redb");
    let meta = TableDefinition::<&str, &[u8]>::new("meta");
    let store = redb::Database::open(&file).unwrap();
    let found = store.begin_read().unwrap().open_table(meta).unwrap();
    let format = found.get("format").unwrap().unwrap().value().to_vec();
    assert_eq!(format, br#"{"Format":1}"#);
    drop(found);
    let change = store.begin_write().unwrap();
    let newer = &br#"{"Format":2}"#[..];
    change
        .open_table(meta)
        .unwrap()
        .insert("format", newer)
        .unwrap();
    change.commit().unwrap();
    drop(store);
    for command in [
        &["serve"][..],
        &["user", "list"],
        &["session", "list"],
        &["backup", "copy"],
    ] {
        let (code, out, err) = here(command);
        assert_eq!((code, out.as_str()), (1, ""), "{command:?}: {err}");
        assert!(
            err.contains(
                "the store has format 2, this labgate knows 1; use the labgate that wrote it"
            ),
            "{command:?}: {err}"
        );
    }
    assert!(!alone.path().join("copy").exists());
}

async fn asked(folder: &Path, request: &str, fields: &str) -> Response {
    let mut connection = Connection::open_unix(&socket_of(folder)).await;
    connection
        .send(format!(
            "{request} HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n"
        ))
        .await;
    connection.response().await
}

#[tokio::test]
async fn the_socket_answers_programs_in_json_and_nobody_else() {
    // T54
    let origin = tool().await;
    let lab = Lab::with_tool(&origin);
    lab.at_tool("ana").await;
    let mode = fs::metadata(socket_of(lab.folder()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    let upstream = origin.upstream();
    for (path, part) in [
        (
            "/api/v1/users",
            "\"name\":\"ana\",\"state\":\"configuration\"".to_owned(),
        ),
        (
            "/api/v1/sessions?user=ana",
            "\"address\":\"127.0.0.1\"".to_owned(),
        ),
        ("/api/v1/routes", format!("\"upstreams\":[\"{upstream}\"]")),
        ("/api/v1/upstreams", "\"last\":\"answered\"".to_owned()),
        ("/metrics", "labgate_sessions 1".to_owned()),
        ("/live", "ok".to_owned()),
        ("/ready", "ok".to_owned()),
    ] {
        let get = format!("GET {path}");
        let answer = asked(lab.folder(), &get, "").await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        assert!(text.contains(&part), "{path}: {text}");
        assert!(
            !text.contains(PASSWORD) && !text.contains("$argon2"),
            "{text}"
        );
        for field in [
            "origin: null",
            "sec-fetch-site: none",
            "x-forwarded-for: ::1",
        ] {
            let answer = asked(lab.folder(), &get, &format!("{field}\r\n")).await;
            assert_eq!(answer.status, 403, "{path} {field}");
        }
    }
    let json = "content-type: application/json\r\n";
    for (request, fields, status) in [
        ("GET /api/v1/nowhere", String::new(), 404),
        ("GET /api/v1/users/nobody", String::new(), 404),
        ("PUT /api/v1/users", String::new(), 405),
        ("DELETE /api/v1/sessions", String::new(), 400),
        ("DELETE /api/v1/sessions/%ff", String::new(), 400),
        (
            "POST /api/v1/users",
            "content-length: 0\r\n".to_owned(),
            400,
        ),
        (
            "POST /api/v1/users",
            format!("{json}content-length: 0\r\n"),
            400,
        ),
        (
            "POST /api/v1/users",
            format!(
                "{json}content-length: 100000\r\n\r\n{}",
                "x".repeat(100_000)
            ),
            400,
        ),
    ] {
        let answer = asked(lab.folder(), request, &fields).await;
        assert_eq!(answer.status, status, "{request}");
        assert!(
            answer.text().starts_with("{\"error\":\""),
            "{}",
            answer.text()
        );
    }
    let folder = lab.folder().to_owned();
    lab.stop_then(|| assert!(!socket_of(&folder).exists(), "it goes with the server"));
}

#[tokio::test]
async fn no_route_leads_to_the_socket_by_whatever_path() {
    // T54
    let lab = Lab::builder();
    let ours = lab.folder().join(OURS);
    let (direct, link) = (ours.join("admin.sock"), lab.folder().join("tool.sock"));
    symlink(&direct, &link).unwrap();
    let route = |path: &Path| {
        let path = path.display();
        format!("[[route]]\nname = \"self\"\nupstream = \"unix:{path}\"\naccess = \"public\"\n")
    };
    let lab = lab.config(&route(&link)).start();
    for path in ["/metrics", "/api/v1/users", "/live"] {
        let answer = lab.browser().get(&format!("{MAIN}{path}")).await;
        assert_eq!(answer.status, 502, "{path}: {}", answer.text());
        assert!(!answer.text().contains("ana"), "{}", answer.text());
    }
    assert_eq!(asked(lab.folder(), "GET /live", "").await.status, 200);
    fs::write(lab.folder().join("further.toml"), route(&direct)).unwrap();
    let (code, out, _) = on(&lab, &["check"], "");
    assert_eq!(code, 78);
    assert!(out.contains("labgate's own state folder"), "{out}");
    let log = lab.stop();
    assert!(log.contains("the admin socket: a connection"), "{log}");
}

#[tokio::test]
async fn what_a_route_passes_on_gets_nothing_from_the_admin_address() {
    // T54, T58: as by a name that leads here, which no check of the configuration can see.
    let lab = Lab::builder()
        .config("[admin]\naddress = \"127.0.0.1:0\"")
        .start();
    let further = lab.folder().join("further.toml");
    for host in ["upstream", "client"] {
        let route = format!(
            "[admin]\naddress = \"127.0.0.1:0\"\n[[route]]\nname = \"self\"\naccess = \"public\"\n\
             upstream = \"http://{}\"\nupstream_host = \"{host}\"\nidentity_headers = \"none\"\n",
            lab.admin()
        );
        fs::write(&further, route).unwrap();
        assert_eq!(done(on(&lab, &["reload"], "")), "reloaded\n");
        let answer = lab.browser().get(&format!("{MAIN}/metrics")).await;
        assert!(matches!(answer.status, 403 | 421), "{}", answer.status);
        assert_eq!(answer.text(), "");
    }
}

#[tokio::test]
async fn a_user_who_is_neither_ours_nor_root_is_refused() {
    // T54
    if !geteuid().is_root() {
        return; // only root can become somebody else
    }
    let lab = Lab::builder().start();
    let socket = socket_of(lab.folder());
    // As if the file system let them: what the kernel says of them has to be enough.
    let open =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for folder in [
        lab.folder(),
        &lab.folder().join("state"),
        socket.parent().unwrap(),
    ] {
        open(folder, 0o711);
    }
    open(&socket, 0o666);
    let knock = |user: Option<u32>| {
        let socket = socket.clone();
        // The user of a thread, since another program could not find its way here.
        let knocking = thread::spawn(move || {
            if let Some(user) = user {
                set_thread_uid(rustix::process::Uid::from_raw(user)).unwrap();
            }
            let mut stream = UnixStream::connect(socket).unwrap();
            let request = b"GET /api/v1/users HTTP/1.1\r\nhost: localhost\r\n\r\n";
            drop(stream.write_all(request));
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer));
            String::from_utf8(answer).unwrap()
        });
        knocking.join().unwrap()
    };
    assert_eq!(knock(Some(65534)), "");
    assert!(knock(None).starts_with("HTTP/1.1 200"));
    let log = lab.stop();
    assert!(log.contains("the admin socket: a connection"), "{log}");
}

#[tokio::test]
async fn a_request_is_explained_for_a_user_whom_the_running_server_knows() {
    let origin = tool().await;
    let access = "host = \"tool.lab.test\"\naccess = { groups = [\"crew\"] }";
    let lab = Lab::builder().route("tool", &origin, access).start();
    for (name, group) in [("eve", "crew"), ("dan", "others")] {
        let add = ["user", "add", name, "--group", group, "--password-stdin"];
        done(on(&lab, &add, &format!("{PASSWORD}\n")));
    }
    let explained = |name: &str| on(&lab, &["explain", TOOL, "--as", name], "");
    let (code, out, _) = explained("eve");
    assert!(code == 0 && out.contains("eve, in crew\n"), "{code} {out}");
    let (code, out, _) = explained("dan");
    assert!(
        code == 1 && out.contains("dan, in others\n"),
        "{code} {out}"
    );
    done(on(&lab, &["user", "disable", "eve"], ""));
    let (code, out, _) = explained("eve");
    assert!(code == 1 && out.contains("eve is disabled"), "{code} {out}");
    let (_, out, _) = explained("nobody");
    assert!(out.contains("nor in the store"), "{out}");
}

#[test]
fn a_server_waits_for_a_command_that_has_the_store() {
    let alone = alone();
    let folder = alone.path().join(OURS);
    let listener = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n";
    fs::write(alone.path().join("listener.toml"), listener).unwrap();
    done(run(alone.path(), &["alone.toml"], &["user", "list"], ""));
    let held = fs::File::open(folder.join("lock")).unwrap();
    held.lock().unwrap();

    let mut command = Command::new(env!("CARGO_BIN_EXE_labgate"));
    command.args(["serve", "-c", "alone.toml", "-c", "listener.toml"]);
    command.current_dir(alone.path()).env_clear();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let log = BufReader::new(server.stderr.take().unwrap());
    let mut lines = log.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("waiting for another process")));
    held.unlock().unwrap();
    let rest = thread::spawn(move || lines.last());
    let mut printed = BufReader::new(server.stdout.take().unwrap()).lines();
    let ready = printed.next().unwrap().unwrap();
    assert!(ready.starts_with("labgate: listening on"), "{ready}");

    // Another server has it for good.
    let files = ["alone.toml", "listener.toml"];
    let (code, _, err) = run(alone.path(), &files, &["serve"], "");
    assert!(code == 1 && err.contains("another labgate"), "{err}");
    let server_id = i32::try_from(server.id()).unwrap();
    kill_process(Pid::from_raw(server_id).unwrap(), Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    rest.join().unwrap();
}

#[tokio::test]
async fn commands_reach_a_server_below_a_long_path() {
    let lab = Lab::builder();
    let state = lab.folder().join("a".repeat(100)).join("b".repeat(100));
    fs::create_dir_all(&state).unwrap();
    let config = format!("[server]\nstate_dir = \"{}\"", state.display());
    let lab = lab.config(&config).start();
    assert_eq!(done(on(&lab, &["reload"], "")), "reloaded\n");
}

#[tokio::test]
async fn an_act_is_done_to_its_end_though_nobody_waits_for_it() {
    let origin = tool().await;
    let lab = with_eve(&origin);
    let eve = lab.at_tool("eve").await;
    let socket = eve.websocket(&format!("{TOOL}/socket")).await.unwrap();
    let mut connection = Connection::open_unix(&socket_of(lab.folder())).await;
    connection
        .send("POST /api/v1/users/eve/disable HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    drop(connection);
    assert_eq!(within("the end", close_code(socket)).await, Some(1008));
}
