//! The files of `config/` load, and the one with every key keeps its promises.

use super::*;

const EVERY_KEY: &str = include_str!("../../../config/labgate.toml");
const MANUAL: &str = include_str!("../../../docs/configuration.md");

fn example(content: &str) -> Place {
    Place::new()
        .file("labgate.toml", content)
        .file("users.htpasswd", "# nobody yet\n")
        .variable("RSTUDIO_PASSWORD", "correct horse battery")
        .variable("ANA_PASSWORD", "correct horse battery")
        .variable("JUPYTER_TOKEN", "4e5d1b0f9c")
        .variable("TOOL_KEY", "8a1f60c2d7")
}

/// Lines like `#idle = "8h"` without their `#`; prose has a space after it.
fn switched_on(content: &str) -> String {
    content
        .split_inclusive('\n')
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with([' ', '\n']) || key.starts_with("  ") => key,
            _ => line,
        })
        .collect()
}

#[test]
fn the_file_with_every_key_is_the_defaults_as_it_stands() {
    assert_eq!(parse_str(EVERY_KEY), parse_str(""));
}

#[test]
fn the_file_with_every_key_loads_with_every_key_and_shows_the_defaults() {
    let config = example(&switched_on(EVERY_KEY)).config();
    let default = example("").config();
    assert_eq!(
        route(&config).token.as_ref().unwrap().expose(),
        "4e5d1b0f9c"
    );
    assert!(config.listeners[0].tls.is_some());
    assert_eq!(config.limits, default.limits);
    assert_eq!(config.session, default.session);
    assert_eq!(config.server.public_url, default.server.public_url);
    assert_eq!(config.ui.title, default.ui.title);
    assert_eq!(config.ui.accent, default.ui.accent);
}

/// `known: a, b` of the message for a key that cannot be near any other.
fn known_keys(header: &str) -> Vec<String> {
    let told = problems(&format!("{header}\nzzzzzzzzzzzzzzzz = 1\n"));
    let known = told.split("known: ").nth(1).unwrap();
    let known = known.lines().next().unwrap();
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_stands_in_the_example_and_in_the_manual() {
    for header in [
        "[server]",
        "[[listener]]",
        "[listener.tls]",
        "[admin]",
        "[trust]",
        "[session]",
        "[limits]",
        "[log]",
        "[identity]",
        "[identity.local]",
        "[[identity.local.user]]",
        "[[route]]",
        "[route.access]",
        "[ui]",
        "",
    ] {
        // A header below an array of tables needs an element to belong to.
        let parent = match header.split_once('.') {
            Some(("[listener", _)) => "[[listener]]\n",
            Some(("[route", _)) => "[[route]]\n",
            _ => "",
        };
        for key in known_keys(&format!("{parent}{header}")) {
            assert!(
                EVERY_KEY.contains(&key),
                "{header} {key} in config/labgate.toml"
            );
            assert!(
                MANUAL.contains(&key),
                "{header} {key} in docs/configuration.md"
            );
        }
    }
}

#[test]
fn the_homelab_has_two_tools_behind_one_sign_in() {
    let config = example(include_str!("../../../config/homelab.toml")).config();
    let [rstudio, jupyter] = config.routes.as_slice() else {
        panic!()
    };
    assert_eq!((rstudio.app, jupyter.app), (App::Generic, App::Jupyter));
    assert!(jupyter.token.is_some());
    assert_eq!(config.local_users.len(), 1);
}

#[test]
fn the_workspace_has_a_host_for_each_tool() {
    let place = Place::new();
    let secrets = place.folder.path().join("secrets");
    let content = include_str!("../../../config/workspace.toml")
        .replace("/run/secrets", &secrets.display().to_string());
    let place = place
        .file("labgate.toml", content)
        .file("secrets/ana", "correct horse\n")
        .file("secrets/bo", "battery staple\n");
    let loaded = place.load().unwrap();
    assert_eq!(loaded.warnings, []);
    let hosts: Vec<&HostPattern> = loaded
        .config
        .routes
        .iter()
        .filter_map(|route| route.host.as_ref())
        .collect();
    assert_eq!(hosts.len(), 5);
}

#[test]
fn no_example_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["homelab.toml", "labgate.toml", "workspace.toml"]);
}
