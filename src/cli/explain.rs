//! `labgate explain`: what would become of a request, by the configuration alone.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
};

use http::Method;

use super::{Files, door::Door, exit::Exit, serve::tell, user::USERS};
use crate::{
    admin::shapes::{UserRow, UserState},
    config::{
        Config,
        load::{self, Sources},
    },
    explain::{self, Answer, Error, Question, Stored},
    identity::accounts::StoredUser,
    store::{StateDir, Store},
    telemetry::chain,
};

/// What is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The address as people type it, or a path on the main host
    url: String,
    /// Who is signed in; groups and e-mail are those of the configuration or the store [default: nobody]
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// A group of that user besides; may be given several times
    #[arg(long, value_name = "GROUP", requires = "user")]
    group: Vec<String>,
    /// The listener that the request comes in on [default: the one at the port of the address, or else the first that does not only redirect]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: Method,
    /// The address that the request is from
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST.into())]
    from: IpAddr,
    #[command(flatten)]
    pub(super) files: Files,
}

/// Prints what becomes of the request. Gives the exit code: 0 when a tool would get it, 1 when not.
pub(super) fn run(
    arguments: &Arguments,
    sources: &Sources,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let config = match load::load(sources) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            tell(&problems.to_string());
            return Ok(Exit::Configuration);
        }
    };
    let stored = arguments.user.as_ref().map(|name| stored(&config, name));
    let question = Question {
        url: arguments.url.clone(),
        method: arguments.method.clone(),
        user: arguments.user.clone(),
        stored: stored.unwrap_or_default(),
        groups: arguments.group.clone(),
        listener: arguments.listener.clone(),
        from: arguments.from,
    };
    match explain::explain(config, &question) {
        Ok(explanation) => {
            write!(out, "{}", explanation.text)?;
            Ok(match explanation.answer {
                Answer::Tool => Exit::Done,
                Answer::Ours | Answer::Status(_) => Exit::Failed,
            })
        }
        Err(error) => {
            tell(&format!("labgate: {}", chain(&error)));
            Ok(match error {
                Error::Route(_) => Exit::Configuration,
                Error::Listener(..) | Error::Url(_) => Exit::Usage,
            })
        }
    }
}

/// What the store holds of a user: a server that runs is asked. Makes no store where there is none.
fn stored(config: &Config, name: &str) -> Stored {
    let state_dir = &config.server.state_dir;
    if config.local_users.iter().any(|user| user.name == name) || !Store::is_there(state_dir) {
        return Stored::Absent;
    }
    match Door::to_server(config) {
        Ok(Some(server)) => told(&server, name),
        Ok(None) => read(config, name),
        Err(stop) => Stored::Unread(stop.into_text()),
    }
}

fn told(server: &Door, name: &str) -> Stored {
    let users: Vec<UserRow> = match server.ask(Method::GET, USERS) {
        Ok(users) => users,
        Err(stop) => return Stored::Unread(stop.into_text()),
    };
    let user = users.into_iter().find(|user| user.name == name);
    let Some(UserRow {
        state,
        groups,
        email,
        ..
    }) = user
    else {
        return Stored::Absent;
    };
    match state {
        UserState::Disabled => Stored::Disabled,
        UserState::Enabled | UserState::NoPassword => Stored::Enabled { groups, email },
        // Users of the server's configuration; the one that is asked about knows no such user.
        UserState::Configuration | UserState::Hidden | UserState::Htpasswd => Stored::Absent,
    }
}

/// It is not waited for: who has it open, the answer says.
fn read(config: &Config, name: &str) -> Stored {
    let store = StateDir::open(&config.server.state_dir).and_then(|dir| Store::open(&dir));
    match store.and_then(|store| store.get::<StoredUser>(name)) {
        Ok(None) => Stored::Absent,
        Ok(Some(user)) if user.disabled => Stored::Disabled,
        Ok(Some(StoredUser { groups, email, .. })) => Stored::Enabled { groups, email },
        Err(error) => Stored::Unread(chain(&error)),
    }
}
