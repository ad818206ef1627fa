//! `labgate explain` says what the server then does.
//!
//! One server with three people signed in on every host, one of them of the store; each case reloads
//! it with a configuration made up from a few parts, asks on one of three listeners, and compares.

use std::{cell::RefCell, fmt::Write as _, net::TcpListener, path::Path, thread};

use labgate::{
    clock::{Clock, Timestamp},
    config::{Config, load::parse_str},
    explain::{Answer, Question, Stored, explain},
    identity::{
        NewPassword,
        accounts::{self, Outcome, StoredUser},
    },
    runtime::{Options, Server},
    secret::Secret,
    session::nonce_hash,
    store::{StateDir, Store},
    telemetry::Format,
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::wire::Wire;

const MAIN: &str = "lab.test";
const HOSTS: [&str; 4] = [MAIN, "tool.lab.test", "a.b.lab.test", "other.test"];
/// Each with a scheme, and so with a cookie of its own.
const ALIASES: [&str; 3] = [
    "http://192.168.1.20:8000",
    "https://vpn.test",
    "http://localhost:8000",
];
/// The last one stands in the store.
const USERS: [&str; 3] = ["ana", "bo", "cy"];
/// `moved` only redirects, where a main address is https.
const LISTENERS: [&str; 3] = ["public", "inner", "moved"];

/// What a browser says when a person typed the address.
const PERSON: &str = "accept: text/html\r\nsec-fetch-dest: document\r\nsec-fetch-mode: navigate\r\n\
                      sec-fetch-site: none\r\n";

#[derive(Clone, Debug)]
struct Route {
    host: &'static str,
    path: &'static str,
    access: &'static str,
    lines: &'static str,
    listener: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Asked {
    listener: usize,
    host: String,
    path: String,
    method: &'static str,
    user: Option<usize>,
}

fn route() -> impl Strategy<Value = Route> {
    let host = prop::sample::select(vec![
        "",
        "lab.test",
        "192.168.1.20",
        "tool.lab.test",
        "*.lab.test",
        "*.b.lab.test",
    ]);
    let path = prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/", "/api"]);
    let access = prop::sample::select(vec![
        "\"public\"",
        "\"signed-in\"",
        "{ users = [\"ana\"] }",
        "{ groups = [\"analysts\"] }",
        "{ emails = [\"*@example.org\"], methods = [\"GET\"] }",
        "{ networks = [\"127.0.0.0/8\"] }",
        "{ networks = [\"10.0.0.0/8\"] }",
        "[{ users = [\"bo\"] }, { networks = [\"127.0.0.1\"], methods = [\"GET\", \"HEAD\"] }]",
        "[{ methods = [\"POST\"] }, { groups = [\"none\"] }]",
    ]);
    let lines = prop::sample::select(vec![
        "",
        "strip_prefix = true",
        "app = \"jupyter\"",
        "app = \"jupyter\"\ntoken = \"a-token-of-ours\"",
        "request_headers = { X-Key = \"ours\" }",
        "upstream_host = \"upstream\"",
        "cors = [\"https://app.example\"]",
        "embed = [\"https://portal.example\"]",
    ]);
    let listener = prop::option::weighted(0.2, prop::sample::select(LISTENERS.to_vec()));
    let parts = (host, path, access, lines, listener);
    parts.prop_map(|(host, path, access, lines, listener)| Route {
        host,
        path,
        access,
        lines,
        listener,
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let host = prop::sample::select(vec![
        "lab.test",
        "lab.test",
        "tool.lab.test",
        "a.b.lab.test",
        "LAB.test.:81",
        "tool.lab.test",
        "tool.lab.test:8000",
        "a.b.lab.test",
        "other.test",
        "b.lab.test",
        "lab..test",
        "127.0.0.1",
        "127.0.0.1:8000",
        "[::1]:80",
        "192.168.1.20",
        "192.168.1.20:8000",
        "vpn.test",
        "localhost",
        "192.168.1.21",
    ]);
    let piece = prop::sample::select(vec![
        "/",
        "a",
        "b",
        "/a",
        "/b",
        "/a/",
        "/a/b",
        "/api",
        "/api/shutdown",
        "/.labgate",
        "live",
        "ready",
        "//",
        "/.",
        "/..",
        "%2e",
        "%2F",
        "%5c",
        "%zz",
        ";x",
        "%00",
        "\\",
        "`",
        "\"",
        "|",
        "?q=1",
        "?token=x",
        "%2elabgate",
        "ä",
    ]);
    let path =
        prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("/{}", pieces.concat()));
    let plain = prop::sample::select(vec![
        "/", "/a", "/a/", "/a/x", "/a/b", "/a/b/c", "/api", "/x",
    ]);
    let path = prop_oneof![4 => plain.prop_map(str::to_owned), 3 => path];
    let method = prop::sample::select(vec!["GET", "GET", "HEAD", "POST", "OPTIONS", "BREW"]);
    let user = prop::option::weighted(0.7, 0..USERS.len());
    let listener = prop::sample::select(vec![0, 0, 0, 1, 1, 2]);
    let parts = (host, path, method, user, listener);
    parts.prop_map(|(host, path, method, user, listener)| Asked {
        listener,
        host: host.to_owned(),
        path: path.replacen("//", "/", 1),
        method,
        user,
    })
}

struct Lab {
    server: Server,
    upstreams: Vec<u16>,
    /// By user and host, as `name=value`.
    cookies: RefCell<Vec<(usize, &'static str, String)>>,
    state: tempfile::TempDir,
}

impl Lab {
    fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let upstreams: Vec<u16> = (0..7).map(upstream).collect();
        let routes = [("tool.lab.test", "/"), ("*.lab.test", "/")].map(|(host, path)| Route {
            host,
            path,
            access: "\"signed-in\"",
            lines: "",
            listener: None,
        });
        add_cy(state.path());
        // Listeners are what they are at the start, so that one redirects.
        let [bound, plain] =
            [true, false].map(|https| config(&state, &upstreams, &ALIASES, &routes, https));
        let options = Options {
            clock: Clock::default(),
            log_format: Format::Json,
            access_log: Some(tempfile::tempfile().unwrap().into()),
        };
        let lab = Self {
            server: Server::start(bound, &options).unwrap(),
            upstreams,
            cookies: RefCell::default(),
            state,
        };
        lab.server.reload(plain).unwrap();
        for user in 0..USERS.len() {
            let main = lab.sign_in(user, MAIN);
            lab.enter_tools(user, &main);
            for host in ["192.168.1.20", "vpn.test", "localhost"] {
                lab.sign_in(user, host);
            }
        }
        lab
    }

    fn connect(&self) -> Wire {
        self.connect_to(0)
    }

    fn connect_to(&self, listener: usize) -> Wire {
        Wire::open(self.server.listeners()[listener].address.tcp().unwrap())
    }

    /// Signs in on a main host; its cookie.
    fn sign_in(&self, user: usize, host: &'static str) -> String {
        let form = self.connect().get(host, "/.labgate/sign-in", "");
        let fields = format!(
            "username={}&password=correct+horse+battery&csrf={}",
            USERS[user],
            form.hidden("csrf")
        );
        let answer = self
            .connect()
            .post(host, "/.labgate/sign-in", &form.cookie(), &fields);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let known = (user, host, answer.cookie());
        self.cookies.borrow_mut().push(known);
        answer.cookie()
    }

    /// Goes from the main site to the hosts of tools.
    fn enter_tools(&self, user: usize, main: &str) {
        for host in HOSTS.iter().filter(|host| host.ends_with(".lab.test")) {
            let nonce = "n".repeat(22);
            let away = format!(
                "/.labgate/sign-in?return=http%3A//{host}/&nonce={}",
                nonce_hash(&nonce)
            );
            let back = self
                .connect()
                .get(MAIN, &away, &format!("cookie: {main}\r\n"));
            let location = back.field("location").unwrap().to_owned();
            let path = location.strip_prefix(&format!("http://{host}")).unwrap();
            let cookie = format!("cookie: labgate-enter={nonce}\r\n");
            let entered = self.connect().get(host, path, &cookie);
            assert_eq!(entered.status, 303, "{}", entered.text());
            let known = (user, *host, entered.cookie());
            self.cookies.borrow_mut().push(known);
        }
    }

    /// The cookie of who asks, under the name that it has on a site of this scheme.
    fn cookie(&self, asked: &Asked, https: bool) -> String {
        let name = asked.host.to_lowercase();
        let name = name.split(':').next().unwrap().trim_end_matches('.');
        let cookies = self.cookies.borrow();
        let known = cookies
            .iter()
            .find(|(user, host, _)| Some(*user) == asked.user && *host == name);
        known.map_or_else(String::new, |(_, _, cookie)| {
            let (_, value) = cookie.rsplit_once("labgate=").unwrap();
            let prefix = if https { "__Host-" } else { "" };
            format!("cookie: {prefix}labgate={value}\r\n")
        })
    }

    /// Whether browsers come by https to what is asked.
    fn is_https(asked: &Asked, aliases: &[&str], https: bool) -> bool {
        let name = asked.host.to_lowercase();
        let name = name.split(':').next().unwrap().trim_end_matches('.');
        let alias = aliases.iter().find_map(|alias| {
            let (scheme, host) = alias.split_once("://")?;
            (host.split(':').next() == Some(name)).then_some(scheme == "https")
        });
        alias.unwrap_or(https)
    }

    /// Status and route of what really happens.
    fn happens(&self, asked: &Asked, https: bool) -> (u16, Option<String>, Option<String>) {
        let cookie = self.cookie(asked, https);
        let mut wire = self.connect_to(asked.listener);
        wire.send(format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n{cookie}{PERSON}connection: close\r\n\r\n",
            asked.method, asked.path, asked.host
        ));
        let answer = wire.answer();
        let tool = answer.field("x-tool").map(str::to_owned);
        let location = answer.field("location").map(str::to_owned);
        (answer.status, tool, location)
    }
}

/// Puts `cy` into the store.
fn add_cy(state: &Path) {
    let store = Store::open(&StateDir::open(state).unwrap()).unwrap();
    let hash = NewPassword::new(Secret::new("correct horse battery".into()), "cy");
    let hash = hash.unwrap().hash().unwrap();
    let (groups, email) = (vec!["analysts".into()], "cy@example.org".into());
    let user = StoredUser::new(Some(&hash), Some(email), groups, Timestamp(0));
    let name = "cy".parse().unwrap();
    let added = store.write_blocking(move |changes| accounts::add(changes, &name, &user));
    assert_eq!(added.unwrap(), Outcome::Done { sessions: 0 });
    store.close();
}

/// What the store holds of a user.
fn stored(user: usize) -> Stored {
    if USERS[user] != "cy" {
        return Stored::Absent;
    }
    Stored::Enabled {
        groups: vec!["analysts".into()],
        email: Some("cy@example.org".into()),
    }
}

fn config(
    state: &tempfile::TempDir,
    upstreams: &[u16],
    aliases: &[&str],
    routes: &[Route],
    https: bool,
) -> Config {
    let scheme = if https { "https" } else { "http" };
    // Where no main address is https it may not stand, and does nothing.
    let redirects = https || aliases.iter().any(|alias| alias.starts_with("https:"));
    let mut text = format!(
        "[server]\npublic_url = \"{scheme}://{MAIN}\"\naliases = {aliases:?}\nstate_dir = \"{}\"\nworkers = 1\n\
         [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"inner\"\naddress = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"moved\"\naddress = \"127.0.0.1:0\"\nredirect_https = {redirects}\n\
         [identity.local]\nuser = [\n\
         {{ name = \"ana\", password = \"correct horse battery\", groups = [\"analysts\"] }},\n\
         {{ name = \"bo\", password = \"correct horse battery\", email = \"bo@example.org\" }}]\n",
        state.path().display()
    );
    let mut taken: Vec<(&str, &str)> = Vec::new();
    for (place, route) in routes.iter().enumerate() {
        let path = route.path.trim_end_matches('/');
        // Without a host it is on all main ones.
        let hosts = match route.host {
            "" => vec![MAIN, "192.168.1.20"],
            host => vec![host],
        };
        let places: Vec<_> = hosts.into_iter().map(|host| (host, path)).collect();
        if places.iter().any(|place| taken.contains(place)) {
            continue;
        }
        taken.extend(places);
        let Route {
            host,
            path,
            access,
            lines,
            listener,
        } = route;
        let host = match *host {
            "" => String::new(),
            host => format!("host = \"{host}\"\n"),
        };
        let listener = listener.map_or_else(String::new, |listener| {
            format!("require_listener = \"{listener}\"\n")
        });
        writeln!(
            text,
            "[[route]]\nname = \"r{place}\"\n{host}path = \"{path}\"\n\
             access = {access}\nupstream = \"http://127.0.0.1:{}\"\n{listener}{lines}",
            upstreams[place]
        )
        .unwrap();
    }
    parse_str(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// A tool that says which one it is.
fn upstream(place: usize) -> u16 {
    use std::io::{BufRead, BufReader, Write};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                if lines.any(|line| line.is_empty()) {
                    let answer = format!(
                        "HTTP/1.1 204 No Content\r\nx-tool: r{place}\r\nconnection: close\r\n\r\n"
                    );
                    drop((&stream).write_all(answer.as_bytes()));
                }
            });
        }
    });
    port
}

#[test]
fn what_is_explained_is_what_happens() {
    let lab = Lab::start();
    let cases = ProptestConfig {
        cases: 600,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(cases);
    let strategy = (
        any::<bool>(),
        prop::sample::subsequence(ALIASES.to_vec(), 0..=ALIASES.len()),
        prop::collection::vec(route(), 0..7),
        prop::collection::vec(asked(), 1..6),
    );
    let (tools, redirects, led) = (RefCell::new(0), RefCell::new(0), RefCell::new(0));
    let result = runner.run(&strategy, |(https, aliases, routes, requests)| {
        let config = config(&lab.state, &lab.upstreams, &aliases, &routes, https);
        lab.server.reload(config.clone()).unwrap();
        for asked in requests {
            let came_by_https = Lab::is_https(&asked, &aliases, https);
            let question = Question {
                url: format!("http://{}{}", asked.host, asked.path),
                method: asked.method.parse().unwrap(),
                user: (!lab.cookie(&asked, came_by_https).is_empty())
                    .then(|| USERS[asked.user.unwrap()].to_owned()),
                stored: asked.user.map(stored).unwrap_or_default(),
                groups: Vec::new(),
                listener: Some(LISTENERS[asked.listener].to_owned()),
                from: [127, 0, 0, 1].into(),
            };
            let explained = explain(config.clone(), &question).unwrap();
            let (status, tool, location) = lab.happens(&asked, came_by_https);
            let text = &explained.text;
            match explained.answer {
                Answer::Tool => {
                    prop_assert_eq!(status, 204, "{}", text);
                    prop_assert_eq!(&tool, &explained.route, "{}", text);
                    *tools.borrow_mut() += 1;
                }
                Answer::Ours => prop_assert_eq!(tool, None, "{}", text),
                Answer::Status(said) => {
                    prop_assert_eq!(tool, None, "{}", text);
                    prop_assert_eq!(status, said.as_u16(), "{}", text);
                    *led.borrow_mut() += usize::from(status == 307);
                    if let Some(location) = location {
                        *redirects.borrow_mut() +=
                            usize::from(status == 308 && asked.listener == 2);
                        let location = location.split("&nonce=").next().unwrap();
                        prop_assert!(text.contains(location), "{location}: {text}");
                    }
                }
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(*tools.borrow() > 50, "most cases reach nothing");
    assert!(
        *led.borrow() > 5,
        "no loopback address was led to localhost"
    );
    assert!(*redirects.borrow() > 20, "hardly any is sent on to https");
    lab.server.stop();
}
