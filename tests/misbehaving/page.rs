//! The page that says what was seen: `docs/misbehaving.md`, a section for each test, held by them.

use std::{fs, path::Path, sync::Mutex};

use crate::peers::{own_columns, say_other_versions, version};

/// One case.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What labgate has to give.
    pub(crate) expected: &'static str,
    /// What labgate, nginx and `HAProxy` gave.
    pub(crate) cells: [String; 3],
    pub(crate) reason: &'static str,
}

/// Fails unless labgate gave what it should, each leniency has its reason, and the page says so.
/// The page is about one version of nginx and one of `HAProxy`; what others do is not compared.
///
/// `groups` are the titles of the tables, with the number of rows in each.
pub(crate) fn hold(section: &str, groups: &[(&str, usize)], rows: &[Row]) {
    let wrong: Vec<_> = rows.iter().flat_map(wrong).collect();
    let seen = tables(groups, rows);
    let mark = format!("<!-- {section} -->\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/misbehaving.md");
    let turn = TURN.lock().unwrap();
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(&mark).unwrap();
    let (written, after) = rest.split_once("<!-- end -->").unwrap();
    if is_to_be_written() {
        let page = [before, &mark, &seen, "<!-- end -->", after].concat();
        fs::write(&path, page).unwrap();
    }
    drop(turn);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    if is_to_be_written() {
        return;
    }
    let (here, seen) = seen.split_once('\n').unwrap();
    let (there, written) = written.split_once('\n').unwrap();
    if here == there {
        same(written, seen);
    } else {
        say_other_versions("docs/misbehaving.md", here);
        same(&own_columns(written), &own_columns(seen));
    }
}

/// Fails at the first line that differs.
fn same(written: &str, seen: &str) {
    for (written, seen) in written.lines().zip(seen.lines()) {
        assert_eq!(written, seen, "{HOW}");
    }
    assert_eq!(written, seen, "{HOW}");
}

/// What is wrong with one case.
fn wrong(row: &Row) -> Vec<String> {
    let [ours, nginx, haproxy] = &row.cells;
    let mut wrong = Vec::new();
    if ours != row.expected {
        wrong.push(format!("{}: {ours}, not {}", row.name, row.expected));
    }
    let is_lenient = passed(ours) && !(passed(nginx) && passed(haproxy));
    if is_lenient && row.reason.is_empty() {
        wrong.push(format!(
            "{}: {ours}, and no reason why, with nginx: {nginx}, HAProxy: {haproxy}",
            row.name
        ));
    }
    wrong
}

/// Whether the client takes it for a whole answer. A cut one is an error to it, as a refusal is.
fn passed(cell: &str) -> bool {
    if cell.contains(" up, ") {
        return cell.starts_with("all up, all down, ");
    }
    let is_own_page = cell.len() == 3 && cell > "400";
    let is_answer = cell.starts_with(|first: char| first.is_ascii_digit());
    is_answer && !is_own_page && !cell.contains(" cut") && !cell.contains(" of unreadable length")
}

fn tables(groups: &[(&str, usize)], rows: &[Row]) -> String {
    let mut text = format!("With {}.\n", peers());
    let mut rows = rows.iter();
    for (title, count) in groups {
        text += &format!("\n### {title}\n\n");
        text += "| case | labgate | nginx | HAProxy | why |\n|---|---|---|---|---|\n";
        for row in rows.by_ref().take(*count) {
            let [ours, nginx, haproxy] = &row.cells;
            let other = |cell: &String| match cell {
                same if same == ours => "same".to_owned(),
                other => code(other),
            };
            let cells = [code(ours), other(nginx), other(haproxy)].join(" | ");
            text += &format!("| {} | {cells} | {} |\n", row.name, row.reason);
        }
    }
    text + "\n"
}

fn code(cell: &str) -> String {
    let mut shown = String::from("`");
    for character in cell.chars() {
        match character {
            '|' => shown += "\\|",
            odd if odd.is_control() => shown.extend(odd.escape_default()),
            usual => shown.push(usual),
        }
    }
    shown + "`"
}

/// `nginx 1.22.1 and HAProxy 2.6.12`
fn peers() -> String {
    let (nginx, haproxy) = (version("nginx"), version("haproxy"));
    format!("nginx {nginx} and HAProxy {haproxy}")
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test asks for it"
)]
fn is_to_be_written() -> bool {
    std::env::var("LABGATE_WRITE_PAGE").is_ok()
}

const HOW: &str = "docs/misbehaving.md says otherwise; LABGATE_WRITE_PAGE=1 writes it anew";

/// Two tests hold one page.
static TURN: Mutex<()> = Mutex::new(());
