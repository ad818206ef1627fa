//! Where a command's configuration comes from: its arguments, the environment, the current folder.

use super::{Files, exit::Exit, serve::tell};
use crate::config::load::Sources;

/// The layers for these arguments (`docs/configuration.md`).
pub(super) fn of(files: &Files) -> Result<Sources, Exit> {
    Sources::from_process(files.config.clone()).map_err(|error| {
        tell(&format!(
            "labgate: the current folder cannot be read: {error}"
        ));
        Exit::Failed
    })
}
