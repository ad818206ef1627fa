//! A server with one tool behind it.

use std::{net::SocketAddr, time::Duration};

use labgate::{
    clock::Clock,
    config::{Config, load::parse_str},
    runtime::{Options, Server},
    telemetry::Format,
};

use crate::{tool::Tool, wire::Wire};

/// The main host; the tool is on [`TOOL`] for whoever is signed in, and on [`OPEN`] for all.
pub(crate) const MAIN: &str = "lab.test";
pub(crate) const TOOL: &str = "tool.lab.test";
pub(crate) const OPEN: &str = "open.lab.test";

/// A running server. Dropped without [`Lab::stop`], it is left to the end of the process.
pub(crate) struct Lab {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) tool: Tool,
    pub(crate) config: Config,
    /// The server's, which stands still unless it is moved.
    pub(crate) clock: Clock,
    _state: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::with("", "")
    }

    /// `limits` are further lines of `[limits]`, `listener` of the listener.
    pub(crate) fn with(limits: &str, listener: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let tool = Tool::start();
        let config = format!(
            r#"
[server]
public_url = "http://{MAIN}"
state_dir = "{state}"
workers = 1
[[listener]]
name = "public"
address = "127.0.0.1:0"
{listener}
[limits]
{limits}
[identity.local]
user = [{{ name = "ana", password = "correct horse battery" }}]
[[route]]
name = "tool"
host = "{TOOL}"
upstream = "http://{upstream}"
access = "signed-in"
[[route]]
name = "open"
host = "{OPEN}"
upstream = "http://{upstream}"
access = "public"
[[route]]
name = "shared"
path = "/shared"
upstream = "http://{upstream}"
access = "signed-in"
max_body = "1KiB"
[[route]]
name = "away"
path = "/away"
upstream = "http://127.0.0.1:1"
access = "signed-in"
"#,
            state = state.path().display(),
            upstream = tool.address,
        );
        let config = parse_str(&config).unwrap_or_else(|problems| panic!("{problems}"));
        let clock = Clock::manual(Clock::default().now());
        let options = Options {
            clock: clock.clone(),
            log_format: Format::Json,
            access_log: None,
        };
        let server = Server::start(config.clone(), &options).unwrap();
        let address = server.listeners()[0].address.tcp().unwrap();
        Self {
            server,
            address,
            tool,
            config,
            clock,
            _state: state,
        }
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::open(self.address)
    }

    /// Stops the server; how long that took.
    pub(crate) fn stop(self) -> Duration {
        let begun = std::time::Instant::now();
        self.server.stop();
        begun.elapsed()
    }

    /// Signs `ana` in on the main host; her cookie, as `name=value`.
    pub(crate) fn sign_in(&self) -> String {
        let form = self.connect().get(MAIN, "/.labgate/sign-in", "");
        let answer = self.post_sign_in(&form.cookie(), &form.hidden("csrf"));
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.cookie()
    }

    pub(crate) fn post_sign_in(&self, cookies: &str, csrf: &str) -> crate::wire::Answer {
        let fields = format!("username=ana&password=correct+horse+battery&csrf={csrf}");
        self.connect()
            .post(MAIN, "/.labgate/sign-in", cookies, &fields)
    }
}
