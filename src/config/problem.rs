//! What is wrong with a configuration: every problem, each with its place.

use std::fmt;

use super::origin::{Origin, Place, Texts};

/// One thing that is wrong, or worth a warning. `Display`: `labgate.toml:14:12: message`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong and what would be right; never a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Default => f.write_str(&self.message),
            place => write!(f, "{place}: {}", self.message),
        }
    }
}

/// All problems, variables first, then files in the order of the layers, each from top to bottom.
/// `Display`: one line each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// What a command that meets them exits with, `EX_CONFIG` of sysexits.
    pub const EXIT_CODE: u8 = 78;
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<(Origin, String)>);

impl Found {
    pub(super) fn push(&mut self, origin: Origin, message: impl Into<String>) {
        self.0.push((origin, message.into()));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// In order, with places that a person can find.
    pub(super) fn into_problems(mut self, texts: &Texts) -> Vec<Problem> {
        self.0.sort_by_key(|(origin, _)| *origin);
        self.0
            .into_iter()
            .map(|(origin, message)| Problem {
                place: texts.place(origin),
                message,
            })
            .collect()
    }
}
