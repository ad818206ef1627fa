//! Where a value stands: file and byte, environment variable, or nowhere (a default).
//!
//! In: the texts of all layers. Out: [`Origin`], small enough to sit on every value, and [`Place`],
//! what a person reads. Lines and columns are counted only when somebody asks.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where a value comes from. The order is that in which problems are told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Origin {
    /// Nobody wrote it.
    Default,
    /// Index into [`Texts::variables`].
    Environment(usize),
    /// Index into [`Texts::files`].
    File {
        /// Lower layers have lower numbers.
        file: usize,
        /// Byte offset in its text; `None` is the file as a whole.
        offset: Option<usize>,
    },
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
            Origin::Environment(index) => match self.variables.get(index) {
                Some((name, _)) => Place::Environment(name.clone()),
                None => Place::Default,
            },
            Origin::File { file, offset } => match self.files.get(file) {
                Some(text) => Place::File {
                    path: text.shown.clone(),
                    position: offset.map(|offset| position(&text.content, offset)),
                },
                None => Place::Default,
            },
        }
    }

    /// The folder that a relative path at `origin` starts from.
    pub(super) fn folder(&self, origin: Origin) -> &Path {
        match origin {
            Origin::File { file, .. } => match self.files.get(file) {
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

/// Line and column, both from 1; a column is a character.
fn position(content: &str, offset: usize) -> (usize, usize) {
    let before = content.get(..offset).unwrap_or(content);
    let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
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
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\nä = 1", 6), (2, 4));
        assert_eq!(position("a\n", 2), (2, 1));
        assert_eq!(position("ä", 1), (1, 2), "not on a character");
    }
}
