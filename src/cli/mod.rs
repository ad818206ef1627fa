//! The command line (`docs/architecture.md`, "Commands"): the only module that prints.
//!
//! In: arguments and environment. Out: an exit code after sysexits(3): 0 done, 1 failed while
//! running, 64 bad arguments, 78 bad configuration. Not here: anything that a running server does.

mod check;
mod config_show;
mod exit;
mod explain;
mod healthcheck;
mod quickstart;
mod serve;
mod sources;
mod user;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};

use exit::Exit;

use crate::{clock::Clock, config::load};

/// Signs people in once and streams their requests to their data-science tools.
#[derive(Debug, Parser)]
#[command(
    name = "labgate",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Configuration files of a command.
#[derive(Clone, Debug, Default, clap::Args)]
struct Files {
    /// Configuration file; may be given several times, later ones override earlier ones
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find all problems of the configuration at once
    Check(Files),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say what would become of a request: route, access, what the tool gets
    Explain(explain::Arguments),
    /// Ask the running server whether it is ready; for container health checks
    Healthcheck(Files),
    /// Print the manual page (troff)
    Man,
    /// Try it: Jupyter behind labgate, without any configuration
    Quickstart(quickstart::Arguments),
    /// Run the server
    Serve(Files),
    /// Run a program for quickstart and leave nothing of it behind
    #[command(hide = true)]
    Supervise,
    /// Local users
    User {
        #[command(subcommand)]
        command: UserCommand,
        #[command(flatten)]
        files: Files,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the effective configuration, secrets masked
    Show {
        /// Say which layer and line each value is from
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        files: Files,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user
    Add(user::NewUser),
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

/// Runs one command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; whoever closed our output is not told.
            drop(error.print());
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    match dispatch(arguments.command) {
        Ok(exit) | Err(exit) => exit.into(),
    }
}

/// `Err` is no less an end than `Ok`: it is what stopped a command before it began.
fn dispatch(command: Command) -> Result<Exit, Exit> {
    let out = &mut io::stdout();
    Ok(match command {
        Command::Check(files) => printed(check::run(&sources::of(&files)?, out)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "labgate", out);
            Exit::Done
        }
        Command::Config(ConfigCommand::Show { origin, files }) => {
            printed(config_show::run(&sources::of(&files)?, origin, out))
        }
        Command::Explain(arguments) => printed(explain::run(
            &arguments,
            &sources::of(&arguments.files)?,
            out,
        )),
        Command::Healthcheck(files) => healthcheck::run(&sources::of(&files)?, out),
        Command::Man => printed(
            clap_mangen::Man::new(Arguments::command())
                .render(out)
                .map(|()| Exit::Done),
        ),
        Command::Quickstart(arguments) => quickstart::run(&arguments, out),
        Command::Serve(files) => serve::run(&sources::of(&files)?, out),
        Command::Supervise => quickstart::supervise::run(),
        Command::User { command, files } => change_users(&command, &sources::of(&files)?),
        Command::Version => {
            printed(writeln!(out, "labgate {}", env!("CARGO_PKG_VERSION")).map(|()| Exit::Done))
        }
    })
}

/// The exit of a command that prints; whoever closed our output has had enough of it.
fn printed(exit: io::Result<Exit>) -> Exit {
    exit.unwrap_or(Exit::Failed)
}

fn change_users(command: &UserCommand, sources: &load::Sources) -> Exit {
    let config = match load::load(sources) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            serve::tell(&problems.to_string());
            return Exit::Configuration;
        }
    };
    let terminal = &mut user::Terminal {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: if user::prompt::is_possible() {
            user::Input::Person(&mut user::prompt::ask)
        } else {
            user::Input::Pipe(&mut io::stdin())
        },
    };
    let store = match user::open_store(&config.server.state_dir, terminal) {
        Ok(store) => store,
        Err(exit) => return exit,
    };
    let context = user::Context {
        store: &store,
        configured: &config.local_users,
        base_url: &config.server.public_url.origin(),
        clock: Clock::default(),
    };
    match command {
        UserCommand::Add(new) => user::add(&context, new, terminal),
        UserCommand::Disable { name } => user::disable(&context, name, terminal),
        UserCommand::Link { name } => user::link(&context, name, terminal),
        UserCommand::List => user::list(&context, terminal),
        UserCommand::Passwd { name } => user::passwd(&context, name, terminal),
        UserCommand::Remove { name } => user::remove(&context, name, terminal),
    }
}
