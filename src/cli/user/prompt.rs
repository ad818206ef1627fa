//! Asking a person for a password at the terminal, without showing it.

use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::{identity::MAX_PASSWORD_BYTES, secret::Secret};

/// Asks on standard error and reads a line from standard input, unseen. Blocks.
pub(crate) fn ask(question: &str) -> io::Result<Secret<String>> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    // First, so that nobody who types fast shows anything.
    let silence = Silence::begin()?;
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let typed = typed(stdin.lock().bytes());
    drop(silence);
    writeln!(stderr)?;
    typed
}

/// Whether there is a person to ask.
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// While it lives, the terminal shows nothing and hands every key over as it is: so Ctrl-C comes
/// to us and cannot leave a terminal behind that shows nothing.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // There is nothing else to try.
        tcsetattr(io::stdin(), OptionalActions::Flush, &self.0).unwrap_or_default();
    }
}

/// The line that keys make. Backspace takes a character back, Ctrl-U all; Ctrl-C, or Ctrl-D on an
/// empty line, is [`io::ErrorKind::Interrupted`]. What is longer than any password is cut one byte
/// behind that, and so is refused.
fn typed(keys: impl Iterator<Item = io::Result<u8>>) -> io::Result<Secret<String>> {
    // Room from the start, so that no copy stays behind in freed memory.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 1));
    for key in keys {
        match key? {
            b'\r' | b'\n' => break,
            CTRL_C => return Err(interrupted()),
            CTRL_D if line.is_empty() => return Err(interrupted()),
            CTRL_D => break,
            CTRL_H | DELETE => {
                // The bytes behind the first of a character look like 10xxxxxx.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            CTRL_U => line.clear(),
            byte if line.len() <= MAX_PASSWORD_BYTES => line.push(byte),
            _ => {}
        }
    }
    let text = std::str::from_utf8(&line);
    let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Secret::new(text.to_owned()))
}

fn interrupted() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "nothing was changed")
}

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_H: u8 = 8;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(keys: &[u8]) -> Result<String, io::ErrorKind> {
        let typed = typed(keys.iter().copied().map(Ok));
        typed
            .map(|line| line.expose().clone())
            .map_err(|error| error.kind())
    }

    #[test]
    fn keys_make_a_line() {
        assert_eq!(line(b"abc\rdef"), Ok("abc".into()));
        assert_eq!(line(b"abc\ndef"), Ok("abc".into()));
        assert_eq!(line(b"no\x15ab\x7f\x08\x08c\r"), Ok("c".into()));
        assert_eq!(line("añ\u{7f}b🦀\u{7f}\r".as_bytes()), Ok("ab".into()));
        assert_eq!(line(b"abc\x04"), Ok("abc".into()));
        assert_eq!(line(b"\x04"), Err(io::ErrorKind::Interrupted));
        assert_eq!(line(b"abc\x03\r"), Err(io::ErrorKind::Interrupted));
        assert_eq!(line(b"\xff\r"), Err(io::ErrorKind::InvalidData));
    }

    #[test]
    fn an_overlong_line_stays_too_long() {
        let keys = vec![b'x'; 1 << 20];
        assert_eq!(line(&keys).unwrap().len(), MAX_PASSWORD_BYTES + 1);
    }
}
