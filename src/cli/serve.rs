//! `labgate serve`: runs until it is told to stop.

use std::io::Write;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;
use crate::{
    admin::{NotReloaded, shapes::Reloaded},
    clock::Clock,
    config::Limits,
    config::load::{self, Loaded, Sources},
    runtime::{Options, Server, raise_descriptor_limit},
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
    make_room(&loaded.config.limits);
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
    // Before anybody is told that we listen: who reads that may send a signal at once, or ask.
    let mut requests = server.reload_requests();
    let signals = server.block_on(async { StopSignals::new() });
    let waited = signals.map(|mut signals| {
        if let Some(authority) = server.authority() {
            drop(writeln!(
                out,
                "labgate: the authority of tls = \"self-signed\" is {}; import it into browsers",
                authority.display()
            ));
        }
        for listening in server.listeners() {
            // Nobody may be reading; serving does not depend on it.
            drop(writeln!(
                out,
                "labgate: listening on {} ({})",
                listening.url, listening.name
            ));
        }
        if let Some(address) = server.admin() {
            drop(writeln!(
                out,
                "labgate: listening on http://{address} (admin)"
            ));
        }
        drop(out.flush());
        server.block_on(async {
            loop {
                tokio::select! {
                    asked = signals.next() => match asked {
                        // What became of it stands in the log.
                        Asked::Reload => drop(reload(&server, sources)),
                        Asked::Stop => break,
                    },
                    Some(request) = requests.recv() => request.answer(reload(&server, sources)),
                }
            }
            signals.end_at_the_next();
        });
    });
    if let Err(error) = &waited {
        tracing::error!(%error, "signals cannot be received");
    }
    // Who asks from here on, or waits already, is told at once and not when the drain is over.
    drop(requests);
    tracing::info!("stopping");
    server.stop();
    if waited.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    /// SIGHUP
    Reload,
    /// SIGTERM or SIGINT
    Stop,
}

/// The signals that `serve` answers to.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl StopSignals {
    /// From now on the signals no longer end the process by themselves.
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// A second stop signal ends the process at once.
    fn end_at_the_next(mut self) {
        let second = async move {
            while self.next().await == Asked::Reload {}
            std::process::exit(i32::from(Exit::Failed.code()));
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "outlives the drain that it cuts short"
        )]
        drop(tokio::spawn(second));
    }
}

/// Logs what becomes of it, and says it to whoever asked.
fn reload(server: &Server, sources: &Sources) -> Result<Reloaded, NotReloaded> {
    match load::load(sources) {
        Ok(loaded) => {
            warn(&loaded);
            let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
            let needs_restart = server.reload(loaded.config).map_err(|error| {
                let error = chain(&error);
                tracing::error!(%error, "the old configuration stays in use");
                NotReloaded::Bad(error)
            })?;
            Ok(Reloaded {
                needs_restart: needs_restart.into_iter().map(str::to_owned).collect(),
                warnings,
            })
        }
        Err(problems) => {
            let problems = problems.to_string();
            for problem in problems.lines() {
                tracing::error!("{problem}");
            }
            tracing::error!("the configuration was not reloaded; the old one stays in use");
            server.reload_refused();
            Err(NotReloaded::Bad(problems))
        }
    }
}

/// Sees to it that as many connections as configured can be open, each with one to a tool.
fn make_room(limits: &Limits) {
    let wanted = u64::try_from(limits.max_connections).unwrap_or(u64::MAX);
    let wanted = wanted.saturating_mul(2);
    if let Some(files) = raise_descriptor_limit()
        && files < wanted
    {
        tracing::warn!(
            files,
            wanted,
            "too few files may be open for limits.max_connections; raise the hard limit (ulimit -Hn, LimitNOFILE)"
        );
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
