//! The last lines of a log, for a message at the terminal.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// The last lines, indented, none of them empty, without control characters. A log that cannot be
/// read has none.
pub(super) fn tail(log: &Path) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is still worth showing.
    drop(read_end(log, &mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text
        .lines()
        .rev()
        .map(|line| {
            line.chars()
                .filter(|c| !c.is_control())
                .take(MAX_WIDTH)
                .collect()
        })
        .filter(|line: &String| !line.trim().is_empty())
        .take(MAX_LINES)
        .collect();
    lines.reverse();
    lines.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}

fn read_end(log: &Path, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut file = File::open(log)?;
    let start = file.metadata()?.len().saturating_sub(MAX_BYTES);
    file.seek(SeekFrom::Start(start))?;
    file.take(MAX_BYTES).read_to_end(bytes)?;
    Ok(())
}

const MAX_BYTES: u64 = 16 * 1024;
const MAX_LINES: usize = 10;
const MAX_WIDTH: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_shown_and_nothing_that_steers_a_terminal() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let lines = (0..10_000).map(|line| format!("line {line}\n"));
        let text = lines.collect::<Vec<_>>().join("\n") + "\n\x1b[31mred\x07\n";
        std::fs::write(log.path(), text).unwrap();
        let shown = tail(log.path());
        assert_eq!(shown.lines().count(), MAX_LINES);
        assert!(shown.starts_with("    line 9991\n"), "{shown}");
        assert!(shown.ends_with("    [31mred\n"), "{shown}");
        assert_eq!(tail(Path::new("/no/such/log")), "");
    }
}
