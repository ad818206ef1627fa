//! `labgate config show`: the configuration in force.

use std::io::{self, Write};

use super::exit::Exit;
use crate::config::load::{self, Sources};

/// Prints the configuration as TOML with secrets masked; with `origin`, each value with a comment
/// that says where it is from. Gives the exit code: 0, or 78 after printing all problems.
pub(super) fn run(sources: &Sources, origin: bool, out: &mut dyn Write) -> io::Result<Exit> {
    match load::load_effective(sources) {
        Ok((_, effective)) if origin => write!(out, "{effective:#}").map(|()| Exit::Done),
        Ok((_, effective)) => write!(out, "{effective}").map(|()| Exit::Done),
        Err(problems) => writeln!(out, "{problems}").map(|()| Exit::Configuration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(origin: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let content = r#"
            [[listener]]
            name = "public"
            address = "127.0.0.1:8443"
            tls = { certificate = "/certs/lab.crt", key = "/certs/lab.key" }

            [[route]]
            name = "jupyter"
            upstream = "http://127.0.0.1:8888"
            app = "jupyter"
            token = "a-token-of-mine"
            access = [{ groups = ["analysts"] }, { networks = ["10.0.0.0/8"], methods = ["GET"] }]
        "#;
        std::fs::write(folder.path().join("labgate.toml"), content).unwrap();
        let sources = Sources {
            current_dir: folder.path().into(),
            environment: vec![
                ("HOME".into(), "/home/ana".into()),
                ("LABGATE_LIMITS__MAX_HEADERS".into(), "50".into()),
                ("LABGATE_TRUST__PROXIES".into(), "127.0.0.1, ::1".into()),
            ],
            ..Sources::default()
        };
        let mut out = Vec::new();
        assert_eq!(run(&sources, origin, &mut out).unwrap(), Exit::Done);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_value_is_shown_with_its_origin_and_no_secret() {
        insta::assert_snapshot!(show(true));
    }

    #[test]
    fn without_origins_it_is_the_same_toml() {
        let plain: toml::Table = show(false).parse().unwrap();
        assert_eq!(plain, show(true).parse().unwrap());
        assert!(!show(false).contains('#') || show(false).contains("\"#0b6e99\""));
    }
}
