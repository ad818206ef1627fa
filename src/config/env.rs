//! The environment: the highest layer, and what commands start from.
//!
//! Ours are `LABGATE_CONFIG`, `LABGATE_OVERRIDES`, `LABGATE_LOG` and every name with `__`, which
//! sets one value: `LABGATE_SERVER__PUBLIC_URL` is `public_url` in `[server]`. Other names that
//! start with `LABGATE_` are not ours: Kubernetes sets `LABGATE_PORT` for a service of that name.

use std::{borrow::Cow, io, path::PathBuf};

use super::{
    load::Sources,
    origin::{Origin, Texts},
    problem::Found,
    tree::{self, Node, Table, Value},
};

/// Names the configuration file where no `-c` does.
pub(super) const CONFIG: &str = "LABGATE_CONFIG";
/// Names the overrides folder.
pub(super) const OVERRIDES: &str = "LABGATE_OVERRIDES";

const PREFIX: &str = "LABGATE_";
const BETWEEN: &str = "__";
/// More keys than any known path has; what is deeper is unknown either way.
const DEEPEST: usize = 8;

impl Sources {
    /// From this process: its environment and current directory, and the `-c` files. Variables that
    /// are not UTF-8 are as if they were not set. `Err`: the current directory is gone.
    pub fn from_process(files: Vec<PathBuf>) -> io::Result<Self> {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Ok(Self {
            files,
            overrides: None,
            environment: std::env::vars_os().filter_map(utf8).collect(),
            current_dir: std::env::current_dir()?,
        })
    }
}

/// The layer that our variables make.
pub(super) fn layer<'t>(texts: &'t Texts, found: &mut Found) -> Table<'t> {
    let mut table = Table::default();
    for (index, (name, value)) in texts.variables.iter().enumerate() {
        let Some(path) = name.strip_prefix(PREFIX).filter(|_| name.contains(BETWEEN)) else {
            continue;
        };
        let path: Vec<Cow<'t, str>> = path
            .splitn(DEEPEST, BETWEEN)
            .map(|key| Cow::Owned(key.to_lowercase()))
            .collect();
        let origin = Origin::variable(index);
        let value = Value::String(Cow::Borrowed(value));
        if tree::insert(&mut table, &path, Node { value, origin }).is_none() {
            found.push(
                origin,
                "another variable sets this value, or one above or below it",
            );
        }
    }
    table
}
