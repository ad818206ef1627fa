//! Opens the sign-in link in a browser.
//!
//! By way of a page that only this user can read: the link stands for the user, and every local
//! user can read a browser's arguments.

use std::{ffi::OsString, io::Write, path::Path, process::Stdio};

use super::{
    environment::{Environment, is_executable},
    problem::Problem,
    state::fresh_file,
};

/// Writes the page and starts a browser with it. Whether there is one to start.
pub(super) fn open(environment: &Environment, link: &str, page: &Path) -> Result<bool, Problem> {
    let Some(mut command) = commands(environment, page).into_iter().next() else {
        return Ok(false);
    };
    let mut file = fresh_file(page)?;
    file.write_all(redirection(link).as_bytes())
        .map_err(Problem::file("write", page))?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Away from our Ctrl-C. It outlives us; tokio waits for it meanwhile.
    command.process_group(0);
    Ok(command.spawn().is_ok())
}

/// Ways to open the page, the best first.
fn commands(environment: &Environment, page: &Path) -> Vec<tokio::process::Command> {
    let mut address = OsString::from("file://");
    address.push(page);
    let chosen = environment
        .browser
        .iter()
        .filter_map(|browser| browser.to_str());
    let chosen = chosen
        .flat_map(|browsers| browsers.split(':'))
        .filter_map(|browser| {
            // `firefox --new-window %s`, or without the placeholder.
            let mut words = browser.split_whitespace();
            let name = words.next()?;
            let program = environment.programs(name).next().or_else(|| {
                let path = Path::new(name);
                (path.is_absolute() && is_executable(path)).then(|| path.to_owned())
            })?;
            let mut command = tokio::process::Command::new(program);
            let words: Vec<_> = words.filter(|word| *word != "%s").collect();
            command.args(words).arg(&address);
            Some(command)
        });
    let usual = ["xdg-open", "wslview"]
        .into_iter()
        .filter(|_| environment.has_display);
    let usual = usual
        .filter_map(|name| environment.programs(name).next())
        .map(|program| {
            let mut command = tokio::process::Command::new(program);
            command.arg(&address);
            command
        });
    chosen.chain(usual).collect()
}

/// A link of ours has no character that HTML knows.
fn redirection(link: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>labgate</title>\
         <meta http-equiv=\"refresh\" content=\"0; url={link}\">\
         <p><a href=\"{link}\">Go to labgate</a></p></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn with_programs(names: &[&str]) -> (tempfile::TempDir, Environment) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let file = folder.path().join(name);
            fs::write(&file, "#!/bin/sh\nexit 0\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = Some(folder.path().into());
        (
            folder,
            Environment {
                path,
                ..Environment::default()
            },
        )
    }

    fn shown(environment: &Environment) -> Vec<String> {
        let commands = commands(environment, Path::new("/state/open.html"));
        commands
            .iter()
            .map(|command| format!("{:?}", command.as_std()))
            .collect()
    }

    #[test]
    fn without_a_screen_only_a_browser_that_was_chosen_is_opened() {
        let (folder, mut environment) = with_programs(&["xdg-open", "lynx"]);
        assert!(shown(&environment).is_empty());
        environment.browser = Some("absent:lynx -x %s".into());
        let lynx = folder.path().join("lynx").display().to_string();
        assert_eq!(
            shown(&environment),
            [format!("\"{lynx}\" \"-x\" \"file:///state/open.html\"")]
        );
        environment.has_display = true;
        assert_eq!(shown(&environment).len(), 2, "and xdg-open after it");
    }

    #[tokio::test]
    async fn the_link_stands_in_a_private_page_and_in_no_argument() {
        let (folder, mut environment) = with_programs(&["xdg-open"]);
        environment.has_display = true;
        let page = folder.path().join("open.html");
        let link = "http://localhost:8000/.labgate/link?code=SECRET";
        assert!(open(&environment, link, &page).unwrap());
        assert!(
            fs::read_to_string(&page)
                .unwrap()
                .contains(&format!("url={link}\""))
        );
        assert_eq!(page.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!shown(&environment).concat().contains("SECRET"));
    }
}
