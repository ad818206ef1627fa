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
            session.device.chars().take(DEVICE_CHARS).collect(),
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

const SESSIONS: &str = "/api/v1/sessions";
/// Enough to tell one's browsers apart.
const DEVICE_CHARS: usize = 60;
