//! Families of the exposition format 0.0.4, one after the other.

use std::fmt::{Display, Write as _};

/// Text so far.
#[derive(Default)]
pub(super) struct Out {
    text: String,
    family: &'static str,
}

/// Names and values of labels; a value may be any text.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Out {
    /// Begins a family; all its lines follow before the next one begins. `help` is one line of ours.
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _infallible = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A line of the family.
    pub(super) fn line(&mut self, labels: Labels<'_>, value: impl Display) {
        self.part("", labels, value);
    }

    /// A line of a histogram: `_bucket`, `_sum` or `_count`.
    pub(super) fn part(&mut self, suffix: &str, labels: Labels<'_>, value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (place, (name, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _infallible = write!(self.text, "{before}{name}=\"");
            self.escape(value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _infallible = writeln!(self.text, " {value}");
    }

    /// A family of one line.
    pub(super) fn one(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.line(&[], value);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn escape(&mut self, value: &str) {
        for sign in value.chars() {
            match sign {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                sign => self.text.push(sign),
            }
        }
    }
}
