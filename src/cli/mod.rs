//! The command line (`docs/architecture.md`, "Commands"): the only module that prints.
//!
//! In: arguments and environment. Out: an exit code after sysexits(3): 0 done, 1 failed while
//! running, 64 bad arguments, 78 bad configuration. Not here: anything that a running server does.

mod backup;
mod check;
mod config_show;
mod door;
mod exit;
mod explain;
mod healthcheck;
mod man;
mod quickstart;
mod reload;
mod serve;
mod session;
mod sources;
mod terminal;
mod user;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};

use door::Door;
use exit::Exit;
use terminal::{Input, Terminal};

use crate::config::{Config, load};

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
    /// Copy the store to a new file, while the server runs or not
    Backup {
        /// Where the copy goes; nothing may be there
        file: PathBuf,
        #[command(flatten)]
        files: Files,
    },
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
    /// Have the running server load its configuration again
    Reload(Files),
    /// Run the server
    Serve(Files),
    /// Who is signed in
    Session {
        #[command(subcommand)]
        command: session::Command,
        #[command(flatten)]
        files: Files,
    },
    /// Run a program for quickstart and leave nothing of it behind
    #[command(hide = true)]
    Supervise,
    /// Local users
    User {
        #[command(subcommand)]
        command: user::Command,
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
        Command::Backup { file, files } => {
            let config = loaded(&sources::of(&files)?)?;
            with_terminal(|terminal| backup::run(&config, &file, terminal))
        }
        Command::Check(files) => printed(check::run(&sources::of(&files)?, out)),
        Command::Completions { shell } => {
            // By way of memory: what writes scripts takes no closed output for an answer.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "labgate", &mut script);
            printed(out.write_all(&script).map(|()| Exit::Done))
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
        Command::Man => printed(man::run(Arguments::command(), out).map(|()| Exit::Done)),
        Command::Quickstart(arguments) => quickstart::run(&arguments, out),
        Command::Reload(files) => {
            let config = loaded(&sources::of(&files)?)?;
            with_terminal(|terminal| reload::run(&config, terminal))
        }
        Command::Serve(files) => serve::run(&sources::of(&files)?, out),
        Command::Session { command, files } => {
            let config = loaded(&sources::of(&files)?)?;
            with_door(&config, |door, terminal| {
                session::run(door, &command, terminal)
            })
        }
        Command::Supervise => quickstart::supervise::run(),
        Command::User { command, files } => {
            let config = loaded(&sources::of(&files)?)?;
            with_door(&config, |door, terminal| {
                user::run(door, &command, terminal)
            })
        }
        Command::Version => {
            printed(writeln!(out, "labgate {}", env!("CARGO_PKG_VERSION")).map(|()| Exit::Done))
        }
    })
}

/// The exit of a command that prints; whoever closed our output has had enough of it.
fn printed(exit: io::Result<Exit>) -> Exit {
    exit.unwrap_or(Exit::Failed)
}

/// The configuration of a command that has to find the state folder.
fn loaded(sources: &load::Sources) -> Result<Config, Exit> {
    let loaded = load::load(sources).map_err(|problems| {
        serve::tell(&problems.to_string());
        Exit::Configuration
    })?;
    Ok(loaded.config)
}

fn with_door(config: &Config, command: impl FnOnce(&Door, &mut Terminal<'_>) -> Exit) -> Exit {
    with_terminal(|terminal| match Door::open(config, terminal) {
        Ok(door) => command(&door, terminal),
        Err(stop) => stop.report(terminal),
    })
}

fn with_terminal(command: impl FnOnce(&mut Terminal<'_>) -> Exit) -> Exit {
    let (mut ask, mut stdin) = (user::prompt::ask, io::stdin());
    command(&mut Terminal {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: if user::prompt::is_possible() {
            Input::Person(&mut ask)
        } else {
            Input::Pipe(&mut stdin)
        },
    })
}
