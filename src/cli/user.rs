//! `labgate user add|passwd|disable|remove|list`: local users of the store.
//!
//! Each command is a plain function: in go the open store and the parsed arguments, out come lines
//! on a [`Terminal`] and an exit code. They act on the store themselves, so no server may run; the
//! store's lock says so ([`open_store`]).

use std::{
    error::Error as StdError,
    io::{Read, Write},
    path::Path,
    sync::Arc,
};

use super::exit::Exit;
use crate::{
    clock::Clock,
    config,
    identity::{
        InvalidName, MAX_PASSWORD_BYTES, SignInLinks, UserName,
        accounts::{self, Outcome, StoredUser},
        hash_password, parse_email, parse_group,
    },
    secret::Secret,
    store::{Changes, Error, StateDir, Store},
};

/// What the commands act on.
pub(super) struct Context<'a> {
    /// The open store.
    pub store: &'a Arc<Store>,
    /// Users of the configuration, which the commands show but cannot change.
    pub configured: &'a [config::LocalUser],
    /// The origin of the main host, in front of links: `https://lab.example.org`.
    pub base_url: &'a str,
    /// The time.
    pub clock: Clock,
}

/// Where a command reads and writes.
pub(super) struct Terminal<'a> {
    /// Standard output: what was asked for.
    pub out: &'a mut dyn Write,
    /// Standard error: what went wrong.
    pub err: &'a mut dyn Write,
    /// Standard input; passwords come from its first line.
    pub input: &'a mut dyn Read,
}

/// Arguments of `labgate user add`, as written.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct NewUser {
    /// Unique name; letters, digits and -_.@+
    pub name: String,
    /// E-mail address, taken as verified
    #[arg(long)]
    pub email: Option<String>,
    /// Group; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Read the password from standard input; without this, a one-time sign-in link is printed
    #[arg(long)]
    pub password_stdin: bool,
}

/// Opens the store for one command; on failure says why and gives the exit code.
pub(super) fn open_store(
    state_dir: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<Arc<Store>, Exit> {
    let opened = StateDir::open(state_dir).and_then(|dir| {
        for warning in dir.warnings() {
            say(terminal.err, &format!("warning: {warning}"));
        }
        Store::open(&dir)
    });
    opened.map_err(|error| Stop::from(error).report(terminal))
}

/// `labgate user add NAME [--email E] [--group G]... [--password-stdin]`
pub(super) fn add(context: &Context<'_>, new: &NewUser, terminal: &mut Terminal<'_>) -> Exit {
    finish(try_add(context, new, terminal), terminal)
}

/// `labgate user passwd NAME`: the new password comes from standard input. Signs the user out
/// everywhere and enables a disabled one.
pub(super) fn passwd(context: &Context<'_>, name: &str, terminal: &mut Terminal<'_>) -> Exit {
    finish(try_passwd(context, name, terminal), terminal)
}

/// `labgate user disable NAME`: no sign-in until the next `passwd`; ends the user's sessions.
pub(super) fn disable(context: &Context<'_>, name: &str, terminal: &mut Terminal<'_>) -> Exit {
    let done = change(context, name, "disabled", accounts::disable);
    finish(done, terminal)
}

/// `labgate user remove NAME`: ends the user's sessions too.
pub(super) fn remove(context: &Context<'_>, name: &str, terminal: &mut Terminal<'_>) -> Exit {
    let done = change(context, name, "removed", accounts::remove);
    finish(done, terminal)
}

/// `labgate user list`: one line per user, of the store and of the configuration.
pub(super) fn list(context: &Context<'_>, terminal: &mut Terminal<'_>) -> Exit {
    finish(table(context), terminal)
}

fn try_add(
    context: &Context<'_>,
    new: &NewUser,
    terminal: &mut Terminal<'_>,
) -> Result<String, Stop> {
    let name: UserName = new
        .name
        .parse()
        .map_err(|error: InvalidName| Stop::usage(error.to_string()))?;
    if let Some(other) = configured_as(context, name.as_str()) {
        let why = format!("{other} stands in the configuration already");
        return Err(Stop::Failed(why));
    }
    let email = new.email.as_deref().map(parse_email).transpose();
    let email = email.map_err(|error| Stop::usage(error.to_string()))?;
    let groups = new.groups.iter().map(|group| parse_group(group));
    let groups = groups
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Stop::usage(error.to_string()))?;
    let password = if new.password_stdin {
        Some(read_and_hash(terminal.input)?)
    } else {
        None
    };
    let user = StoredUser::new(password.as_ref(), email, groups, context.clock.now());
    let key = name.clone();
    let outcome = context
        .store
        .write_blocking(move |changes| accounts::add(changes, &key, &user))?;
    match outcome {
        Outcome::Taken(other) if other == new.name => {
            return Err(Stop::Failed(format!("there is a user {other} already")));
        }
        Outcome::Taken(other) => {
            let why =
                format!("there is a user {other} already; names may not differ by case alone");
            return Err(Stop::Failed(why));
        }
        Outcome::Done { .. } | Outcome::Unknown => {}
    }
    if password.is_some() {
        return Ok(format!("added {name}\n"));
    }
    let links = SignInLinks::new(Arc::clone(context.store), context.clock.clone());
    let code = links.issue_blocking(name.as_str(), SignInLinks::GOOD_FOR)?;
    let minutes = SignInLinks::GOOD_FOR.as_secs() / 60;
    let link = format!("{}{}", context.base_url.trim_end_matches('/'), code.path());
    Ok(format!(
        "added {name}; this link signs in once, within {minutes} minutes:\n{link}\n"
    ))
}

fn try_passwd(
    context: &Context<'_>,
    name: &str,
    terminal: &mut Terminal<'_>,
) -> Result<String, Stop> {
    // Before the password is asked for.
    known(context, name)?;
    let password = read_and_hash(terminal.input)?;
    change(context, name, "new password for", move |changes, name| {
        accounts::set_password(changes, name, &password)
    })
}

fn change(
    context: &Context<'_>,
    name: &str,
    done: &str,
    operation: impl FnOnce(&Changes<'_>, &str) -> Result<Outcome, Error> + Send + 'static,
) -> Result<String, Stop> {
    known(context, name)?;
    let key = name.to_owned();
    let outcome = context
        .store
        .write_blocking(move |changes| operation(changes, &key))?;
    match outcome {
        Outcome::Done { sessions: 0 } => Ok(format!("{done} {name}\n")),
        Outcome::Done { sessions: 1 } => Ok(format!("{done} {name}; 1 session ended\n")),
        Outcome::Done { sessions } => Ok(format!("{done} {name}; {sessions} sessions ended\n")),
        Outcome::Taken(_) | Outcome::Unknown => Err(unknown(name)),
    }
}

fn table(context: &Context<'_>) -> Result<String, Stop> {
    let configured = context.configured.iter().map(|user| {
        let (groups, email) = (user.groups.join(","), user.email.clone());
        [
            user.name.clone(),
            "configuration".into(),
            groups,
            email.unwrap_or_default(),
        ]
    });
    let hidden = |name: &str| context.configured.iter().any(|user| user.name == name);
    let stored = context
        .store
        .list::<StoredUser>()?
        .into_iter()
        .map(|(name, user)| {
            let state = match (hidden(&name), user.disabled, user.password()) {
                (true, ..) => "hidden by the configuration",
                (_, true, _) => "disabled",
                (_, _, None) => "no password yet",
                _ => "enabled",
            };
            [
                name,
                state.into(),
                user.groups.join(","),
                user.email.unwrap_or_default(),
            ]
        });
    let mut rows: Vec<[String; 4]> = configured.chain(stored).collect();
    rows.sort();
    rows.insert(0, ["NAME", "STATE", "GROUPS", "EMAIL"].map(str::to_owned));
    Ok(align(&rows))
}

/// Columns as wide as their widest cell.
fn align(rows: &[[String; 4]]) -> String {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Says what to do about users that these commands cannot change.
fn known(context: &Context<'_>, name: &str) -> Result<(), Stop> {
    if context.store.get::<StoredUser>(name)?.is_some() {
        return Ok(());
    }
    if configured_as(context, name).is_some_and(|other| other == name) {
        let why = format!("{name} stands in the configuration; change it there");
        return Err(Stop::Failed(why));
    }
    Err(unknown(name))
}

fn configured_as<'c>(context: &Context<'c>, name: &str) -> Option<&'c str> {
    let mut names = context.configured.iter().map(|user| user.name.as_str());
    names.find(|other| other.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> Stop {
    Stop::Failed(format!("there is no user {name:?}"))
}

/// The first line of the input, without its end.
fn read_and_hash(input: &mut dyn Read) -> Result<Secret<String>, Stop> {
    let limit = MAX_PASSWORD_BYTES as u64 + 3; // one too many, and the line's end
    let mut text = String::with_capacity(MAX_PASSWORD_BYTES + 3);
    let read = input.take(limit).read_to_string(&mut text);
    let text = Secret::new(text);
    read.map_err(|error| Stop::Failed(format!("cannot read the password: {error}")))?;
    let line = text.expose().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Stop::usage("the password is empty"));
    }
    if line.len() > MAX_PASSWORD_BYTES {
        let why = format!("a password has at most {MAX_PASSWORD_BYTES} bytes");
        return Err(Stop::usage(why));
    }
    hash_password(&Secret::new(line.to_owned()))
        .map_err(|error| Stop::Failed(format!("cannot hash the password: {error}")))
}

/// Why a command ends early.
enum Stop {
    Failed(String),
    Usage(String),
}

impl Stop {
    fn usage(why: impl Into<String>) -> Self {
        Self::Usage(why.into())
    }

    fn report(&self, terminal: &mut Terminal<'_>) -> Exit {
        let (why, code) = match self {
            Self::Failed(why) => (why, Exit::Failed),
            Self::Usage(why) => (why, Exit::Usage),
        };
        say(terminal.err, &format!("labgate: {why}"));
        code
    }
}

impl From<Error> for Stop {
    /// With its causes.
    fn from(error: Error) -> Self {
        let first: &dyn StdError = &error;
        let chain = std::iter::successors(Some(first), |&error| error.source());
        let texts: Vec<String> = chain.map(ToString::to_string).collect();
        Self::Failed(texts.join(": "))
    }
}

fn finish(result: Result<String, Stop>, terminal: &mut Terminal<'_>) -> Exit {
    match result {
        Err(stop) => stop.report(terminal),
        Ok(text) => {
            // A reader that has gone (`| head`) is no failure of ours.
            drop(terminal.out.write_all(text.as_bytes()));
            Exit::Done
        }
    }
}

fn say(to: &mut dyn Write, line: &str) {
    // Nobody is left to tell if this fails.
    drop(writeln!(to, "{line}"));
}

#[cfg(test)]
mod tests;
