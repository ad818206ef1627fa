//! Secrets and paths: values that stand elsewhere than in the configuration's text.
//!
//! A secret is a text, `{ env = "NAME" }` or `{ file = "/run/secrets/x" }`. Sample values are
//! refused, since a password that stands in documentation is known to everybody (CVE-2026-55171 of
//! Open `OnDemand`). No message here repeats a secret.

use std::path::{Path, PathBuf};

use super::{
    form::{Form as _, mismatch, text},
    origin::Origin,
    read::Section,
    show::quote,
    tree::{Node, Value},
};
use crate::secret::Secret;

/// What `config show` prints for every secret.
pub(super) const MASK: &str = "***";

const SAMPLE: &str = "is a sample value that everybody knows; choose one of your own";

/// Values that people leave standing, compared without case and without `-`, `_` and spaces.
const SAMPLES: [&str; 14] = [
    MASK,
    "...",
    "admin",
    "changeit",
    "changeme",
    "changethis",
    "example",
    "pass",
    "password",
    "placeholder",
    "sample",
    "secret",
    "todo",
    "…",
];

/// Whether a value is one of those that documentation uses. Looks no further into a long one, like a
/// hash, than it has to.
fn is_sample(value: &str) -> bool {
    let plain = || {
        let letters = value.chars().filter(|letter| !is_filler(*letter));
        letters.flat_map(char::to_lowercase)
    };
    let ends = value.trim_matches(is_filler);
    let bracketed = ends.starts_with('<') && ends.ends_with('>');
    let is = |sample: &&str| plain().eq(sample.chars());
    bracketed || plain().all(|letter| letter == 'x') || SAMPLES.iter().any(is)
}

const fn is_filler(letter: char) -> bool {
    matches!(letter, '-' | '_' | ' ')
}

impl<'t> Section<'_, 't> {
    /// A secret. `None`: nobody wrote it, or there is a problem, already told.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Secret<String>> {
        let node = self.find(key)?;
        let (origin, value) = self.said(key, node)?;
        let wrong = if value.expose().is_empty() {
            "is empty"
        } else if is_sample(value.expose()) {
            SAMPLE
        } else if value.expose().contains(['\0', '\r', '\n']) {
            "must be one line"
        } else {
            self.record(key, node.origin, || quote(MASK));
            return Some(value);
        };
        self.problem(origin, key, wrong);
        None
    }

    /// The value of a header field: visible ASCII (RFC 9110 §5.5). A plain text may be a word that a
    /// secret may not. Writes nothing down. `None`: a problem, already told.
    pub(super) fn field_value(&mut self, key: &str, node: &'t Node<'t>) -> Option<Secret<String>> {
        let (origin, value) = self.said(key, node)?;
        let text = value.expose();
        let plain = matches!(node.value, Value::String(_));
        let visible = |byte: u8| (b' '..=b'~').contains(&byte);
        let wrong = if text.is_empty() {
            "is empty"
        } else if text == MASK || (!plain && is_sample(text)) {
            SAMPLE
        } else if !text.bytes().all(visible) || text.trim() != text {
            "must be one line of visible ASCII, without spaces around it"
        } else {
            return Some(value);
        };
        self.problem(origin, key, wrong);
        None
    }

    /// What a node says or refers to, and where a problem with it is to be found.
    fn said(&mut self, key: &str, node: &'t Node<'t>) -> Option<(Origin, Secret<String>)> {
        match &node.value {
            Value::Table(_) => self.unrecorded(key, node, reference)?,
            Value::String(value) => Some((node.origin, Secret::new(value.clone().into_owned()))),
            _ => {
                let forms = "a text, { env = \"NAME\" } or { file = \"/path\" }";
                self.problem(node.origin, key, mismatch(forms, node));
                None
            }
        }
    }

    /// A path that has to be there; absolute.
    pub(super) fn path(&mut self, key: &'static str, hint: &str) -> Option<PathBuf> {
        self.require(key, hint)?;
        let (origin, path) = self.resolved(key)?;
        self.record(key, origin, || show_path(&path));
        Some(path)
    }

    /// A path with a default; absolute.
    pub(super) fn path_or(&mut self, key: &'static str, default: PathBuf) -> PathBuf {
        let (origin, path) = if self.has(key) {
            self.resolved(key)
        } else {
            self.find(key);
            None
        }
        .unwrap_or((Origin::Default, default));
        self.record(key, origin, || show_path(&path));
        path
    }

    /// A path that need not be there; absolute, and where it stands.
    pub(super) fn optional_path(&mut self, key: &'static str) -> Option<(Origin, PathBuf)> {
        let (origin, path) = self.resolved(key)?;
        self.record(key, origin, || show_path(&path));
        Some((origin, path))
    }

    /// A path as written, from the folder of the file that it stands in.
    fn resolved(&mut self, key: &'static str) -> Option<(Origin, PathBuf)> {
        let node = self.find(key)?;
        match text(node) {
            Ok(path) if path.contains('\0') => {
                self.problem(node.origin, key, "is not a path");
                None
            }
            Ok(path) => Some((
                node.origin,
                self.reader.texts.folder(node.origin).join(path),
            )),
            Err(message) => {
                self.problem(node.origin, key, message);
                None
            }
        }
    }
}

/// `{ env = "NAME" }` or `{ file = "/path" }`: the value, and where the reference stands.
fn reference(table: &mut Section<'_, '_>) -> Option<(Origin, Secret<String>)> {
    let variable: Option<String> = table.optional("env");
    let file = table.resolved("file");
    match (variable, file) {
        (Some(_), Some((origin, _))) => {
            table.problem(origin, "file", "stands beside env; only one can be meant");
            None
        }
        (Some(name), None) => {
            let origin = table.origin_of("env");
            let Some(value) = table.reader.texts.variable(&name) else {
                table.problem(origin, "env", format!("{name} is not set"));
                return None;
            };
            Some((origin, Secret::new(value.to_owned())))
        }
        (None, Some((origin, path))) => match (table.reader.read_file)(&path) {
            Ok(content) => Some((origin, Secret::new(trim_newline(content)))),
            Err(error) => {
                let path = path.display();
                table.problem(origin, "file", format!("{path} cannot be read: {error}"));
                None
            }
        },
        (None, None) => {
            if !table.has("env") && !table.has("file") {
                table.problem(table.origin, "env", "is missing; write env or file");
            }
            None
        }
    }
}

fn show_path(path: &Path) -> String {
    path.display().to_string().show()
}

/// Editors and `echo` end a file with one line break, which is not part of the secret.
fn trim_newline(mut content: String) -> String {
    if content.ends_with('\n') {
        content.pop();
        if content.ends_with('\r') {
            content.pop();
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_values_are_known_in_every_spelling() {
        for sample in [
            "changeme",
            "Change-Me",
            "PASSWORD",
            "***",
            "<your token>",
            "xxxx",
            "…",
        ] {
            assert!(is_sample(sample), "{sample}");
        }
        for own in ["correct horse battery", "passwords", "x1", "changeme1"] {
            assert!(!is_sample(own), "{own}");
        }
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_a_secret() {
        assert_eq!(trim_newline("a\n".into()), "a");
        assert_eq!(trim_newline("a\r\n".into()), "a");
        assert_eq!(trim_newline("a\n\n".into()), "a\n");
        assert_eq!(trim_newline(" a".into()), " a");
    }
}
