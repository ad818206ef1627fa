//! `labgate check`: all problems of the configuration at once.

use std::io::{self, Write};

use crate::config::{
    load::{self, Loaded, Sources},
    problem::Problems,
};

/// Prints each problem as `file:line:column: message`, or that there are none; warnings too. Gives
/// the exit code: 0, or 78 for a configuration that `serve` would refuse.
pub fn run(sources: &Sources, out: &mut dyn Write) -> io::Result<u8> {
    match load::load(sources) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "{}", summary(&loaded))?;
            Ok(0)
        }
        Err(problems) => {
            writeln!(out, "{problems}")?;
            Ok(Problems::EXIT_CODE)
        }
    }
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

    fn check(content: &str) -> (u8, String) {
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
    fn a_good_configuration_is_counted_and_warned_about() {
        assert_eq!(check(""), (0, "ok: 1 listener, 0 routes\n".into()));
        let (code, out) = check("server.public_url = \"https://lab.example.org\"\n");
        assert_eq!(code, 0);
        assert!(
            out.starts_with("warning: labgate.toml:1:21: server.public_url: is https"),
            "{out}"
        );
    }

    #[test]
    fn a_bad_one_ends_with_78_and_every_problem() {
        let (code, out) = check("[server]\nworker = 1\nworkers = 0\n");
        assert_eq!(code, 78);
        assert_eq!(
            out,
            "labgate.toml:2:1: server.worker: unknown key; did you mean \"workers\"?\n\
             labgate.toml:3:11: server.workers: must be at least 1\n"
        );
    }
}
