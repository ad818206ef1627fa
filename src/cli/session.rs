//! `labgate session list|revoke`: who is signed in.

use http::Method;

use super::{
    door::{Door, encoded},
    exit::Exit,
    terminal::{Stop, Terminal, ended, table},
};
use crate::admin::shapes::{Ended, SessionRow};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the open sessions, the one seen last first; times are UTC
    List {
        /// Only those of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// End sessions, with everything that they opened
    Revoke(Which),
}

/// Which sessions end.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The session of this id, as `session list` shows it
    id: Option<String>,
    /// All sessions of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Runs one of them.
pub(super) fn run(door: &Door, command: &Command, terminal: &mut Terminal<'_>) -> Exit {
    let done = match command {
        Command::List { user } => list(door, user.as_deref()),
        Command::Revoke(which) => revoke(door, which),
    };
    terminal.finish(done)
}

fn list(door: &Door, user: Option<&str>) -> Result<String, Stop> {
    let sessions: Vec<SessionRow> = door.ask(Method::GET, &of(user))?;
    let heads = ["ID", "USER", "ADDRESS", "SINCE", "LAST SEEN", "DEVICE"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(sessions.into_iter().map(|session| {
        [
            session.id,
            session.user,
            session.address,
            to_the_second(&session.since),
            to_the_second(&session.last_seen),
            device(&session.device),
        ]
    }));
    Ok(table(&rows))
}

fn revoke(door: &Door, which: &Which) -> Result<String, Stop> {
    let path = match &which.id {
        Some(id) => format!("{SESSIONS}/{}", encoded(id)),
        None => of(which.user.as_deref()),
    };
    let done: Ended = door.ask(Method::DELETE, &path)?;
    Ok(format!("{}\n", ended(done.sessions)))
}

fn of(user: Option<&str>) -> String {
    user.map_or_else(
        || SESSIONS.to_owned(),
        |user| format!("{SESSIONS}?user={}", encoded(user)),
    )
}

/// `2026-11-21 20:56:00` of an RFC 3339 time.
fn to_the_second(time: &str) -> String {
    let (to_second, _) = time.split_once('.').unwrap_or((time, ""));
    to_second.replacen('T', " ", 1)
}

/// `Firefox on Linux` of a `User-Agent`; where it is from no browser that we know, its beginning.
fn device(agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        let found = known.iter().find(|(mark, _)| agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        _ => agent.chars().take(DEVICE_CHARS).collect(),
    }
}

const SESSIONS: &str = "/api/v1/sessions";
/// Of what is not understood.
const DEVICE_CHARS: usize = 60;
/// What each has that those above it have not: all of them name older ones too.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome without a window"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_and_programs_stand_as_they_say() {
        const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, named) in [
            (
                &*format!(
                    "Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/141.0.0.0 Safari/537.36"
                ),
                "Chrome on Linux",
            ),
            (
                &*format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/141.0.0.0 \
                     Safari/537.36 Edg/141.0.0.0"
                ),
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0",
                "Firefox on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("", ""),
        ] {
            assert_eq!(device(agent), named, "{agent}");
        }
        assert_eq!(device(&"x".repeat(100)).len(), DEVICE_CHARS);
    }
}
