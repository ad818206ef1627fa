//! Where a value stands: file and byte, environment variable, or nowhere (a default).
//!
//! In: the texts of all layers. Out: `Origin`, small enough to sit on every value, and [`Place`],
//! what a person reads. Lines and columns are counted only when somebody asks.

use std::{
    cell::OnceCell,
    fmt,
    path::{Path, PathBuf},
};

/// Where a value comes from. The order is that in which problems are told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Origin {
    /// Nobody wrote it.
    Default,
    /// Index into [`Texts::variables`].
    Environment(u32),
    /// Index into [`Texts::files`], and byte offset; no offset is the file as a whole.
    File(u32, Option<u32>),
}

impl Origin {
    /// What stands at this byte of this file.
    pub(super) fn in_file(file: usize, offset: usize) -> Self {
        Self::File(small(file), Some(small(offset)))
    }

    /// A whole file.
    pub(super) fn file(file: usize) -> Self {
        Self::File(small(file), None)
    }

    /// A variable.
    pub(super) fn variable(index: usize) -> Self {
        Self::Environment(small(index))
    }
}

/// Half the size, since every value has an origin. Beyond 4 GiB places are wrong, and nothing else.
fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// One file, read.
#[derive(Debug)]
pub(super) struct Text {
    /// As the user named it; stands in messages.
    pub(super) shown: PathBuf,
    /// Absolute; relative paths inside the file start here.
    pub(super) folder: PathBuf,
    /// What it says; empty when it could not be read.
    pub(super) content: String,
    /// Where each line but the first starts, ascending; found when somebody asks.
    lines: OnceCell<Vec<usize>>,
}

impl Text {
    pub(super) fn new(shown: PathBuf, folder: PathBuf, content: String) -> Self {
        Self {
            shown,
            folder,
            content,
            lines: OnceCell::new(),
        }
    }

    /// Line and column, both from 1; a column is a character.
    fn position(&self, offset: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let breaks = memchr::memchr_iter(b'\n', self.content.as_bytes());
            breaks.map(|offset| offset + 1).collect()
        });
        let line = lines.partition_point(|start| *start <= offset);
        let start = match line {
            0 => 0,
            line => lines.get(line - 1).copied().unwrap_or(0),
        };
        let before = self.content.get(start..offset).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }
}

/// Everything that was written, in layers from low to high: `files`, then `variables`.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) files: Vec<Text>,
    /// The whole environment: our names make a layer, the others may be named by secrets.
    pub(super) variables: Vec<(String, String)>,
    /// Absolute; relative paths in variables start here.
    pub(super) current_dir: PathBuf,
}

impl Texts {
    /// What a person needs to find the value.
    pub(super) fn place(&self, origin: Origin) -> Place {
        match origin {
            Origin::Default => Place::Default,
            Origin::Environment(index) => match self.variables.get(index as usize) {
                Some((name, _)) => Place::Environment(name.clone()),
                None => Place::Default,
            },
            Origin::File(file, offset) => match self.files.get(file as usize) {
                Some(text) => Place::File {
                    path: text.shown.clone(),
                    position: offset.map(|offset| text.position(offset as usize)),
                },
                None => Place::Default,
            },
        }
    }

    /// The folder that a relative path at `origin` starts from.
    pub(super) fn folder(&self, origin: Origin) -> &Path {
        match origin {
            Origin::File(file, _) => match self.files.get(file as usize) {
                Some(text) => &text.folder,
                None => &self.current_dir,
            },
            Origin::Default | Origin::Environment(_) => &self.current_dir,
        }
    }

    /// The value of an environment variable.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Where a value or a problem stands. `Display` is what a problem starts with
/// (`labgate.toml:14:12`, or the variable's name); [`Place::origin`] is what `config show` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Baked in.
    Default,
    /// The variable of this name.
    Environment(String),
    /// A file.
    File {
        /// As the user named it.
        path: PathBuf,
        /// Line and column from 1; `None` is the file as a whole.
        position: Option<(usize, usize)>,
    },
}

impl Place {
    /// `default`, `environment LABGATE_…` or `file:line`.
    pub fn origin(&self) -> String {
        match self {
            Self::Default => "default".into(),
            Self::Environment(name) => format!("environment {name}"),
            Self::File { path, position } => match position {
                Some((line, _)) => format!("{}:{line}", path.display()),
                None => path.display().to_string(),
            },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, position } => {
                write!(f, "{}", path.display())?;
                match position {
                    Some((line, column)) => write!(f, ":{line}:{column}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let position = |content: &str, offset| {
            Text::new("a".into(), "/".into(), content.into()).position(offset)
        };
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("ab", 1), (1, 2));
        assert_eq!(position("a\nä = 1", 6), (2, 4));
        assert_eq!(position("a\n", 1), (1, 2), "the line break itself");
        assert_eq!(position("a\n", 2), (2, 1));
        assert_eq!(position("a\n", 9), (2, 1), "beyond the end");
    }
}
