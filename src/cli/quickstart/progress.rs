//! What the person at the terminal sees while something takes its time.
//!
//! Lines stay; a status is one running line that the next text replaces, and is shown on a terminal
//! only.

use std::io::Write;

/// Where progress goes.
#[derive(Debug)]
pub(super) struct Progress<'a, W: Write> {
    out: &'a mut W,
    is_terminal: bool,
    has_status: bool,
}

impl<'a, W: Write> Progress<'a, W> {
    /// Progress on `out`, with statuses if that is a terminal.
    pub(super) const fn new(out: &'a mut W, is_terminal: bool) -> Self {
        Self {
            out,
            is_terminal,
            has_status: false,
        }
    }

    /// One line that stays.
    pub(super) fn line(&mut self, text: &str) {
        self.clear();
        self.write(&format!("{text}\n"));
    }

    /// Says what goes on now, until the next text.
    pub(super) fn status(&mut self, text: &str) {
        if self.is_terminal {
            let text: String = text
                .chars()
                .filter(|c| !c.is_control())
                .take(STATUS_WIDTH)
                .collect();
            self.write(&format!("{ERASE_LINE}{text}"));
            self.has_status = true;
        }
    }

    /// Takes the status away.
    pub(super) fn clear(&mut self) {
        if self.has_status {
            self.write(ERASE_LINE);
            self.has_status = false;
        }
    }

    fn write(&mut self, text: &str) {
        // Nobody may be looking.
        drop(
            self.out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush()),
        );
    }
}

/// To the line's beginning, and erase it (ECMA-48 EL).
const ERASE_LINE: &str = "\r\x1b[2K";
/// Less than the narrowest usual terminal, since a wrapped line cannot be erased.
const STATUS_WIDTH: usize = 78;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(is_terminal: bool) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, is_terminal);
        progress.line("one");
        progress.status("working\x1b[1m");
        progress.line("two");
        progress.clear();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_status_is_replaced_on_a_terminal_and_left_out_elsewhere() {
        assert_eq!(shown(true), "one\n\r\x1b[2Kworking[1m\r\x1b[2Ktwo\n");
        assert_eq!(shown(false), "one\ntwo\n");
    }
}
