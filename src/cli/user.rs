//! `labgate user add|link|passwd|disable|remove|list`: local users of the store.
//!
//! Each command is a plain function: in go the open store and the parsed arguments, out come lines
//! on a [`Terminal`] and an exit code. They act on the store themselves, so no server may run; the
//! store's lock says so ([`open_store`]).

use std::{
    error::Error as StdError,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

pub(super) mod prompt;

use super::exit::Exit;
use crate::{
    clock::Clock,
    config,
    identity::{
        InvalidName, LinkKind, MAX_PASSWORD_BYTES, NewPassword, SignInLinks, UserName,
        accounts::{self, Outcome, StoredUser},
        parse_email, parse_group,
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
    /// Where passwords come from.
    pub input: Input<'a>,
}

/// Where a new password comes from.
pub(super) enum Input<'a> {
    /// A person, who is asked this and types unseen.
    Person(&'a mut dyn FnMut(&str) -> io::Result<Secret<String>>),
    /// The first line of what is piped in.
    Pipe(&'a mut dyn Read),
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
    /// Read the password from standard input; without this, a one-time link to choose one is printed
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

/// `labgate user link NAME`: a one-time link with which the user chooses a password.
pub(super) fn link(context: &Context<'_>, name: &str, terminal: &mut Terminal<'_>) -> Exit {
    finish(try_link(context, name), terminal)
}

/// `labgate user passwd NAME`: the new password is asked for twice at a terminal, else it comes from
/// standard input. Signs the user out everywhere and enables a disabled one.
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
        let why = format!("{} stands in {} already", other.name, place(other));
        return Err(Stop::Failed(why));
    }
    let email = new.email.as_deref().map(parse_email).transpose();
    let email = email.map_err(|error| Stop::usage(error.to_string()))?;
    let groups = new.groups.iter().map(|group| parse_group(group));
    let groups = groups
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Stop::usage(error.to_string()))?;
    let password = if new.password_stdin {
        Some(read_and_hash(&mut terminal.input, name.as_str())?)
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
    Ok(format!(
        "added {name}; {}",
        new_link(context, name.as_str())?
    ))
}

fn try_link(context: &Context<'_>, name: &str) -> Result<String, Stop> {
    if let Some(user) = configured_as(context, name).filter(|user| user.name == name) {
        return Err(elsewhere(user));
    }
    let Some(user) = context.store.get::<StoredUser>(name)? else {
        return Err(unknown(name));
    };
    if user.disabled {
        let why = format!("{name} is disabled; `labgate user passwd {name}` enables");
        return Err(Stop::Failed(why));
    }
    new_link(context, name)
}

/// A new link for a password, and what it is.
fn new_link(context: &Context<'_>, name: &str) -> Result<String, Stop> {
    let links = SignInLinks::new(Arc::clone(context.store), context.clock.clone());
    let code = links.issue_blocking(name, LinkKind::SetPassword)?;
    let hours = LinkKind::SetPassword.good_for().as_secs() / 3600;
    let link = format!("{}{}", context.base_url.trim_end_matches('/'), code.path());
    Ok(format!(
        "with this link {name} chooses a password, once, within {hours} hours:\n{link}\n"
    ))
}

fn try_passwd(
    context: &Context<'_>,
    name: &str,
    terminal: &mut Terminal<'_>,
) -> Result<String, Stop> {
    // Before the password is asked for.
    known(context, name)?;
    let password = read_and_hash(&mut terminal.input, name)?;
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
            match user.source {
                config::UserSource::Configuration => "configuration".into(),
                config::UserSource::Htpasswd => "htpasswd".into(),
            },
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
    if let Some(user) = configured_as(context, name).filter(|user| user.name == name) {
        return Err(elsewhere(user));
    }
    Err(unknown(name))
}

fn configured_as<'c>(context: &Context<'c>, name: &str) -> Option<&'c config::LocalUser> {
    let mut users = context.configured.iter();
    users.find(|other| other.name.eq_ignore_ascii_case(name))
}

fn elsewhere(user: &config::LocalUser) -> Stop {
    let (name, place) = (&user.name, place(user));
    Stop::Failed(format!("{name} stands in {place}; change it there"))
}

const fn place(user: &config::LocalUser) -> &'static str {
    match user.source {
        config::UserSource::Configuration => "the configuration",
        config::UserSource::Htpasswd => "the htpasswd file",
    }
}

fn unknown(name: &str) -> Stop {
    Stop::Failed(format!("there is no user {name:?}"))
}

/// A new password for `name`, hashed.
fn read_and_hash(input: &mut Input<'_>, name: &str) -> Result<Secret<String>, Stop> {
    let text = match input {
        Input::Person(ask) => asked_twice(ask, name),
        Input::Pipe(input) => first_line(input),
    };
    let unread = |error| Stop::Failed(format!("cannot read the password: {error}"));
    let text = text
        .map_err(unread)?
        .ok_or_else(|| Stop::usage("the two passwords are not the same; nothing was changed"))?;
    NewPassword::new(text, name)
        .map_err(|unfit| Stop::usage(unfit.to_string()))?
        .hash()
        .map_err(|error| Stop::Failed(format!("cannot hash the password: {error}")))
}

/// `None`: it was not typed the same twice.
fn asked_twice(
    ask: &mut dyn FnMut(&str) -> io::Result<Secret<String>>,
    name: &str,
) -> io::Result<Option<Secret<String>>> {
    let first = ask(&format!("New password for {name}: "))?;
    let second = ask("Once more: ")?;
    Ok(Some(first).filter(|first| *first == second))
}

/// The first line, without its end.
fn first_line(input: &mut dyn Read) -> io::Result<Option<Secret<String>>> {
    let limit = MAX_PASSWORD_BYTES as u64 + 3; // one too many, and the line's end
    let mut text = String::with_capacity(MAX_PASSWORD_BYTES + 3);
    let read = input.take(limit).read_to_string(&mut text);
    let text = Secret::new(text);
    read?;
    let line = text.expose().lines().next().unwrap_or_default();
    Ok(Some(Secret::new(line.to_owned())))
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
