//! `labgate serve`: runs until it is told to stop.

use std::io::Write;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;
use crate::{
    clock::Clock,
    config::load::{self, Loaded, Sources},
    runtime::{Options, Server},
    telemetry::{self, Format, chain},
};

/// Loads, starts, prints a line per listener on `out`, serves until SIGTERM or SIGINT. SIGHUP
/// reloads.
pub(super) fn run(sources: &Sources, out: &mut impl Write) -> Exit {
    let log_format = Format::for_stderr();
    if let Err(error) = telemetry::init(log_format, variable(sources, "LABGATE_LOG")) {
        tell(&format!("labgate: LABGATE_LOG: {error}"));
        return Exit::Configuration;
    }
    let loaded = match load::load(sources) {
        Ok(loaded) => loaded,
        Err(problems) => {
            tell(&problems.to_string());
            return Exit::Configuration;
        }
    };
    warn(&loaded);
    let options = Options {
        clock: Clock::default(),
        log_format,
        access_log: None,
    };
    let server = match Server::start(loaded.config, &options) {
        Ok(server) => server,
        Err(error) => {
            tell(&format!("labgate: {}", chain(&error)));
            return if error.is_configuration() {
                Exit::Configuration
            } else {
                Exit::Failed
            };
        }
    };
    for listening in server.listeners() {
        // Nobody may be reading; serving does not depend on it.
        drop(writeln!(
            out,
            "labgate: listening on {} ({})",
            listening.url, listening.name
        ));
    }
    drop(out.flush());
    let waited = server.block_on(until_stopped(|| reload(&server, sources)));
    if let Err(error) = &waited {
        tracing::error!(%error, "signals cannot be received");
    }
    tracing::info!("stopping");
    server.stop();
    if waited.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// Waits for SIGTERM or SIGINT, and calls `reload` at each SIGHUP. A second stop signal ends the
/// process at once.
pub(super) async fn until_stopped(mut reload: impl FnMut()) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(),
        }
    }
    end_at_the_second(terminate, interrupt);
    Ok(())
}

fn end_at_the_second(mut terminate: Signal, mut interrupt: Signal) {
    let second = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(i32::from(Exit::Failed.code()));
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "outlives the drain that it cuts short"
    )]
    drop(tokio::spawn(second));
}

fn reload(server: &Server, sources: &Sources) {
    match load::load(sources) {
        Ok(loaded) => {
            warn(&loaded);
            if let Err(error) = server.reload(loaded.config) {
                tracing::error!(error = %chain(&error), "the old configuration stays in use");
            }
        }
        Err(problems) => {
            for problem in problems.to_string().lines() {
                tracing::error!("{problem}");
            }
            tracing::error!("the configuration was not reloaded; the old one stays in use");
        }
    }
}

fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}

/// One variable of the environment.
fn variable<'a>(sources: &'a Sources, name: &str) -> Option<&'a str> {
    sources
        .environment
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Says something to the person at the terminal.
pub(super) fn tell(text: &str) {
    // Nobody may be reading.
    drop(writeln!(std::io::stderr(), "{text}"));
}
