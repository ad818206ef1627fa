//! `labgate user add|link|passwd|disable|remove|list`: local users of the store.
//!
//! Each command is a plain function: in go the way to the API and the parsed arguments, out come
//! lines on a [`Terminal`] and an exit code. What is done, and what is refused, stands in
//! [`crate::admin`].

use std::io::{self, Read};

use http::Method;

pub(super) mod prompt;

use super::{
    door::{Door, encoded},
    exit::Exit,
    terminal::{Input, Stop, Terminal, ended, table},
};
use crate::{
    admin::shapes::{Added, Ended, Link, NewPassword, NewUser, Password, UserRow},
    identity::MAX_PASSWORD_BYTES,
    secret::Secret,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a user
    Add(Add),
    /// Let a user sign in no more, and end their sessions
    Disable {
        /// Name of the user
        name: String,
    },
    /// Print a one-time link with which a user chooses a password
    Link {
        /// Name of the user
        name: String,
    },
    /// List the users of the store and of the configuration
    List,
    /// Set a password, typed twice or read from standard input; ends the user's sessions
    Passwd {
        /// Name of the user
        name: String,
    },
    /// Remove a user, and end their sessions
    Remove {
        /// Name of the user
        name: String,
    },
}

/// Arguments of `labgate user add`, as written.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Add {
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

/// Runs one of them.
pub(super) fn run(door: &Door, command: &Command, terminal: &mut Terminal<'_>) -> Exit {
    let done = match command {
        Command::Add(new) => add(door, new, terminal),
        Command::Disable { name } => {
            let path = format!("{}/disable", user(name));
            changed("disabled", name, door.ask(Method::POST, &path))
        }
        Command::Link { name } => link(door, name),
        Command::List => list(door),
        Command::Passwd { name } => passwd(door, name, terminal),
        Command::Remove { name } => changed("removed", name, door.ask(Method::DELETE, &user(name))),
    };
    terminal.finish(done)
}

/// `labgate user add NAME [--email E] [--group G]... [--password-stdin]`
fn add(door: &Door, new: &Add, terminal: &mut Terminal<'_>) -> Result<String, Stop> {
    let password = if new.password_stdin {
        Some(Password(read(&mut terminal.input, &new.name)?))
    } else {
        None
    };
    let new = NewUser {
        name: new.name.clone(),
        email: new.email.clone(),
        groups: new.groups.clone(),
        password,
    };
    let added: Added = door.tell(Method::POST, USERS, &new)?;
    Ok(match added.link {
        None => format!("added {}\n", added.name),
        Some(link) => format!("added {}; {}", added.name, told(&link)),
    })
}

/// `labgate user link NAME`: a one-time link with which the user chooses a password.
fn link(door: &Door, name: &str) -> Result<String, Stop> {
    let link: Link = door.ask(Method::POST, &format!("{}/link", user(name)))?;
    Ok(told(&link))
}

fn told(link: &Link) -> String {
    let Link { name, url, hours } = link;
    format!("with this link {name} chooses a password, once, within {hours} hours:\n{url}\n")
}

/// `labgate user passwd NAME`: the new password is asked for twice at a terminal, else it comes from
/// standard input. Signs the user out everywhere and enables a disabled one.
fn passwd(door: &Door, name: &str, terminal: &mut Terminal<'_>) -> Result<String, Stop> {
    // Nobody types a password for a user that is not there.
    let _: UserRow = door.ask(Method::GET, &user(name))?;
    let password = Password(read(&mut terminal.input, name)?);
    let path = format!("{}/password", user(name));
    let set = door.tell(Method::PUT, &path, &NewPassword { password });
    changed("new password for", name, set)
}

fn changed(done: &str, name: &str, ended: Result<Ended, Stop>) -> Result<String, Stop> {
    Ok(match ended?.sessions {
        0 => format!("{done} {name}\n"),
        sessions => format!("{done} {name}; {}\n", self::ended(sessions)),
    })
}

/// `labgate user list`: one line per user, of the store and of the configuration.
fn list(door: &Door) -> Result<String, Stop> {
    let users: Vec<UserRow> = door.ask(Method::GET, USERS)?;
    let mut rows = vec![["NAME", "STATE", "GROUPS", "EMAIL"].map(str::to_owned)];
    rows.extend(users.into_iter().map(|user| {
        [
            user.name,
            user.state.to_string(),
            user.groups.join(","),
            user.email.unwrap_or_default(),
        ]
    }));
    Ok(table(&rows))
}

fn user(name: &str) -> String {
    format!("{USERS}/{}", encoded(name))
}

/// A new password for `name`.
fn read(input: &mut Input<'_>, name: &str) -> Result<Secret<String>, Stop> {
    let text = match input {
        Input::Person(ask) => asked_twice(ask, name),
        Input::Pipe(input) => first_line(input),
    };
    let unread = |error| Stop::Failed(format!("cannot read the password: {error}"));
    text.map_err(unread)?
        .ok_or_else(|| Stop::usage("the two passwords are not the same; nothing was changed"))
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

pub(super) const USERS: &str = "/api/v1/users";

#[cfg(test)]
mod tests;
