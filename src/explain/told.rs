//! Lines for people: what a line is about, then what is so.

use std::fmt;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(&'static str, String)>);

impl Told {
    /// One more line. What a client wrote may stand in it: control characters are not shown.
    pub(super) fn say(&mut self, about: &'static str, text: impl Into<String>) {
        let text: String = text.into();
        let shown = text.chars().map(|c| if c.is_control() { '?' } else { c });
        self.0.push((about, shown.collect()));
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (about, text) in &self.0 {
            let about = if *about == before {
                ""
            } else {
                before = about;
                about
            };
            writeln!(f, "{about:<12} {text}")?;
        }
        Ok(())
    }
}
