//! `labgate reload`: has the running server load its configuration again, as SIGHUP does.

use http::Method;

use super::{
    door::Door,
    exit::Exit,
    terminal::{Stop, Terminal},
};
use crate::{admin::shapes::Reloaded, config::Config, store::StateDir};

/// Asks, and says what became of it.
pub(super) fn run(config: &Config, terminal: &mut Terminal<'_>) -> Exit {
    let done = reload(config, terminal);
    terminal.finish(done)
}

fn reload(config: &Config, terminal: &mut Terminal<'_>) -> Result<String, Stop> {
    let Some(door) = Door::to_server(config)? else {
        let folder = config.server.state_dir.join(StateDir::NAME);
        let folder = folder.display();
        return Err(Stop::Failed(format!(
            "no server runs on {folder}; nothing was reloaded"
        )));
    };
    let asked = door.ask(Method::POST, "/api/v1/reload");
    let reloaded: Reloaded = asked.map_err(|stop| match stop {
        Stop::Configuration(problems) => Stop::Configuration(format!(
            "{problems}\nlabgate: the configuration was not reloaded; the old one stays in use"
        )),
        other => other,
    })?;
    for warning in &reloaded.warnings {
        terminal.warn(&format!("warning: {warning}"));
    }
    Ok(match reloaded.needs_restart.as_slice() {
        [] => "reloaded\n".to_owned(),
        keys => format!(
            "reloaded, but for what needs a restart of the server: {}\n",
            keys.join(", ")
        ),
    })
}
