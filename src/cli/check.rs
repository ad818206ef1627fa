//! `labgate check`: all problems of the configuration at once.

use std::io::{self, Write};

use super::exit::Exit;
use crate::{
    config::{
        self, Config,
        load::{self, Loaded, Sources},
    },
    listener::tls::Tls,
    runtime::Runtime,
    telemetry::chain,
};

/// Prints each problem as `file:line:column: message`, or that there are none; warnings too. Gives
/// the exit code: 0, or 78 for a configuration that `serve` would refuse.
pub(super) fn run(sources: &Sources, out: &mut dyn Write) -> io::Result<Exit> {
    match load::load(sources) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            let (mut broken, summary) = (broken_certificates(&loaded), summary(&loaded));
            broken.extend(broken_route(loaded.config));
            for problem in &broken {
                writeln!(out, "{problem}")?;
            }
            if !broken.is_empty() {
                return Ok(Exit::Configuration);
            }
            writeln!(out, "{summary}")?;
            Ok(Exit::Done)
        }
        Err(problems) => {
            writeln!(out, "{problems}")?;
            Ok(Exit::Configuration)
        }
    }
}

/// What `serve` would say of the certificates.
fn broken_certificates(loaded: &Loaded) -> Vec<String> {
    let listeners = loaded.config.listeners.iter();
    let tried = listeners.filter_map(|listener| match listener.tls.as_ref()? {
        config::Tls::Files(files) => Some((listener, Tls::load(files))),
        config::Tls::SelfSigned => None,
    });
    tried
        .filter_map(|(listener, tls)| Some((listener, tls.err()?)))
        .map(|(listener, error)| format!("listener {:?}: {}", listener.name, chain(&error)))
        .collect()
}

/// What `serve` would say of the routes: one problem, since it stops there.
fn broken_route(config: Config) -> Option<String> {
    let error = Runtime::new(config).err()?;
    Some(chain(&error))
}

/// `ok: 1 listener, 2 routes`
fn summary(loaded: &Loaded) -> String {
    let count = |count: usize, what| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let listeners = count(loaded.config.listeners.len(), "listener");
    let routes = count(loaded.config.routes.len(), "route");
    format!("ok: {listeners}, {routes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str) -> (Exit, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("labgate.toml"), content).unwrap();
        let sources = Sources {
            current_dir: folder.path().into(),
            ..Sources::default()
        };
        let mut out = Vec::new();
        let code = run(&sources, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_certificate_that_serve_would_refuse_is_a_problem() {
        let (code, out) = check(
            "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:8443\"\n\
             tls = { certificate = \"no.crt\", key = \"no.key\" }\n",
        );
        assert_eq!(code, Exit::Configuration);
        assert!(
            out.starts_with("listener \"public\": ") && out.contains("no.crt"),
            "{out}"
        );
    }

    #[test]
    fn an_authority_that_serve_would_refuse_is_a_problem() {
        let (code, out) = check(
            "[[route]]\nname = \"lab\"\nupstream = \"https://lab:8888\"\nupstream_ca = \"no.pem\"\n\
             access = \"public\"\n",
        );
        assert_eq!(code, Exit::Configuration);
        assert!(
            out.starts_with("route \"lab\": ") && out.contains("no.pem: cannot read: "),
            "{out}"
        );
    }

    #[test]
    fn a_good_configuration_is_counted_and_warned_about() {
        assert_eq!(check(""), (Exit::Done, "ok: 1 listener, 0 routes\n".into()));
        let (code, out) = check("server.public_url = \"https://lab.example.org\"\n");
        assert_eq!(code, Exit::Done);
        assert!(
            out.starts_with("warning: labgate.toml:1:21: server.public_url: is https"),
            "{out}"
        );
    }

    #[test]
    fn a_bad_one_ends_with_78_and_every_problem() {
        let (code, out) = check("[server]\nworker = 1\nworkers = 0\n");
        assert_eq!(code, Exit::Configuration);
        assert_eq!(
            out,
            "labgate.toml:2:1: server.worker: unknown key; did you mean \"workers\"?\n\
             labgate.toml:3:11: server.workers: must be a whole number from 1\n"
        );
    }
}
