//! The configuration in force, written back as TOML.

use std::{
    fmt::{self, Write as _},
    mem,
};

use super::origin::{Origin, Place, Texts};

/// Every value in force with the place it is from. `Display` is TOML with all secrets masked; the
/// alternate form (`{:#}`) adds the place to each line as a comment.
#[derive(Clone, Debug)]
pub struct Effective(Vec<Line>);

#[derive(Clone, Debug)]
enum Line {
    /// `[limits]`, `[[route]]`
    Header(String),
    /// `idle = "8h"`
    Value(String, Place),
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.0.iter().enumerate() {
            match line {
                Line::Header(header) if index == 0 => writeln!(f, "{header}")?,
                Line::Header(header) => writeln!(f, "\n{header}")?,
                Line::Value(value, place) if f.alternate() => {
                    // A file's name may hold a line break; a comment may not.
                    let origin = place.origin().replace(char::is_control, "?");
                    writeln!(f, "{value} # {origin}")?;
                }
                Line::Value(value, _) => writeln!(f, "{value}")?,
            }
        }
        Ok(())
    }
}

/// What the reader writes down, if it was asked to: loading for `serve` does without.
#[derive(Debug, Default)]
pub(super) struct Record(Option<Vec<Recorded>>);

#[derive(Debug)]
enum Recorded {
    Header(String),
    Value(String, Origin),
}

impl Record {
    /// One that keeps what it is told; the default forgets it.
    pub(super) const fn keeping() -> Self {
        Self(Some(Vec::new()))
    }

    /// `[path]`. A header without values is left out.
    pub(super) fn table(&mut self, path: &str) {
        if let Some(lines) = &mut self.0 {
            if let Some(Recorded::Header(header)) = lines.last_mut()
                && !header.starts_with("[[")
            {
                *header = format!("[{path}]");
            } else {
                lines.push(Recorded::Header(format!("[{path}]")));
            }
        }
    }

    /// `[[path]]`.
    pub(super) fn element(&mut self, path: &str) {
        self.table(path);
        if let Some(Recorded::Header(header)) = self.0.as_mut().and_then(|lines| lines.last_mut()) {
            *header = format!("[{header}]");
        }
    }

    pub(super) fn value(
        &mut self,
        prefix: &str,
        key: &str,
        origin: Origin,
        show: impl FnOnce() -> String,
    ) {
        if let Some(lines) = &mut self.0 {
            lines.push(Recorded::Value(
                format!("{prefix}{key} = {}", show()),
                origin,
            ));
        }
    }

    /// What was kept, with places that a person can find.
    pub(super) fn into_effective(mut self, texts: &Texts) -> Effective {
        let mut lines = mem::take(&mut self.0).unwrap_or_default();
        if let Some(Recorded::Header(_)) = lines.last() {
            lines.pop();
        }
        Effective(
            lines
                .into_iter()
                .map(|line| match line {
                    Recorded::Header(header) => Line::Header(header),
                    Recorded::Value(value, origin) => Line::Value(value, texts.place(origin)),
                })
                .collect(),
        )
    }
}

/// A TOML basic string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            control if control.is_control() => {
                // Writing to a `String` cannot fail.
                write!(quoted, "\\u{:04X}", u32::from(control)).ok();
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
