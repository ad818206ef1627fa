//! Where the operators' commands read and write, and how they end.

use std::{
    error::Error as StdError,
    io::{self, Read, Write},
};

use super::exit::Exit;
use crate::secret::Secret;

/// Where a command reads and writes.
pub(super) struct Terminal<'a> {
    /// Standard output: what was asked for.
    pub out: &'a mut dyn Write,
    /// Standard error: what went wrong.
    pub err: &'a mut dyn Write,
    /// Where passwords come from.
    pub input: Input<'a>,
}

/// Where a new password comes from.
pub(super) enum Input<'a> {
    /// A person, who is asked this and types unseen.
    Person(&'a mut dyn FnMut(&str) -> io::Result<Secret<String>>),
    /// The first line of what is piped in.
    Pipe(&'a mut dyn Read),
}

impl Terminal<'_> {
    /// Prints what was asked for, or why there is nothing; the exit code.
    pub(super) fn finish(&mut self, result: Result<String, Stop>) -> Exit {
        match result {
            Err(stop) => stop.report(self),
            Ok(text) => {
                // A reader that has gone (`| head`) is no failure of ours.
                drop(self.out.write_all(text.as_bytes()));
                Exit::Done
            }
        }
    }

    /// Says something beside what was asked for.
    pub(super) fn warn(&mut self, line: &str) {
        // Nobody is left to tell if this fails.
        drop(writeln!(self.err, "{line}"));
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The configuration, in lines that stand for themselves.
    Configuration(String),
    /// While running.
    Failed(String),
    /// The arguments.
    Usage(String),
}

impl Stop {
    /// An error with its causes.
    pub(super) fn failed(error: &dyn StdError) -> Self {
        Self::Failed(crate::telemetry::chain(error))
    }

    pub(super) fn usage(why: impl Into<String>) -> Self {
        Self::Usage(why.into())
    }

    /// What it says.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Configuration(text) | Self::Failed(text) | Self::Usage(text) => text,
        }
    }

    pub(super) fn report(&self, terminal: &mut Terminal<'_>) -> Exit {
        let (text, code) = match self {
            Self::Configuration(problems) => (problems.clone(), Exit::Configuration),
            Self::Failed(why) => (format!("labgate: {why}"), Exit::Failed),
            Self::Usage(why) => (format!("labgate: {why}"), Exit::Usage),
        };
        terminal.warn(&text);
        code
    }
}

/// `1 session ended`
pub(super) fn ended(sessions: usize) -> String {
    match sessions {
        1 => "1 session ended".to_owned(),
        _ => format!("{sessions} sessions ended"),
    }
}

/// Columns as wide as their widest cell. What cannot be seen is left out: a name may be anybody's.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let visible = |cell: &String| -> String { cell.chars().filter(|c| !c.is_control()).collect() };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(visible).collect())
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_hold_nothing_unseen() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned);
        let rows = [row(["NAME", "X"]), row(["ä\u{1b}[31m", "1"])];
        assert_eq!(table(&rows), "NAME   X\nä[31m  1\n");
    }
}
