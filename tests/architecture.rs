//! What the documents say about the code, held against the code.
//!
//! Which modules know which: reads every `crate::` path under `src/` and holds the arrows between top-level modules against
//! [`MODULES`]. A new arrow fails here first: either it is wrong, or this table gets a line that a
//! reviewer sees. Test code may use what it likes. And whether the tests that `docs/threats.md` names exist.

#![expect(clippy::panic, reason = "a failed check of this file is a panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Every module with all that it knows. A module knows only those that stand above it; what goes
/// against that is in [`UPWARD`]. `cli` is the top: it may know everybody, and nobody knows it.
const MODULES: &[(&str, &str)] = &[
    ("clock", ""),
    ("secret", ""),
    ("wire", ""),
    ("http", ""),
    ("store", "secret"),
    ("tunnel", "secret wire"),
    ("config", "http secret store"),
    ("telemetry", "clock config secret"),
    ("client", "config"),
    ("ui", "config"),
    ("upstream", "config telemetry wire"),
    ("route", "config http"),
    ("app", "config route secret"),
    ("session", "clock config http identity secret store"),
    ("identity", "client clock config secret session store"),
    ("policy", "client config route session"),
    ("auth", "clock http policy route secret session"),
    ("rewrite", "app auth client config http policy route"),
    (
        "admin",
        "clock config http identity secret session store telemetry",
    ),
    (
        "runtime",
        "admin app auth client clock config exchange http identity listener pages policy \
         rewrite route session store telemetry tunnel ui upstream",
    ),
    (
        "reject",
        "app auth http rewrite route runtime telemetry tunnel ui upstream",
    ),
    ("verdict", "auth client http policy reject route runtime"),
    (
        "explain",
        "auth client config http policy reject rewrite route runtime telemetry verdict",
    ),
    (
        "pages",
        "auth client config http identity policy reject route runtime secret session \
         store telemetry ui",
    ),
    (
        "exchange",
        "app auth client http listener reject rewrite route runtime telemetry tunnel \
         upstream wire",
    ),
    (
        "listener",
        "client config exchange gateway http runtime secret telemetry tunnel wire",
    ),
    (
        "gateway",
        "app auth client exchange http listener pages policy reject rewrite route runtime \
         telemetry tunnel upstream verdict",
    ),
];

/// Arrows that close a circle, and why each is there.
const UPWARD: &[(&str, &str, &str)] = &[
    (
        "session",
        "identity",
        "a session is stored in the transaction that finds its user enabled",
    ),
    (
        "runtime",
        "exchange",
        "a worker lists what is under way, to end it",
    ),
    (
        "runtime",
        "listener",
        "the server binds sockets, a worker runs connections",
    ),
    (
        "runtime",
        "pages",
        "the server starts the pages, the workers' shared state has the way to ask them",
    ),
    (
        "exchange",
        "listener",
        "to end an exchange is to cut the connection it runs on",
    ),
    (
        "listener",
        "gateway",
        "hyper's service, in `listener::conn`, is where the gateway is called",
    ),
];

const TOP: &str = "cli";

type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_arrow_between_modules_is_in_the_table() {
    let found = arrows();
    let mut wrong = Vec::new();
    for (from, to) in &found {
        let known = MODULES.iter().find(|row| row.0 == from).map(knows);
        match known {
            None if from != TOP => wrong.push(format!("new module: {from}")),
            None => {}
            Some(known) => {
                let new = to.iter().filter(|to| !known.contains(&to.as_str()));
                wrong.extend(new.map(|to| format!("new arrow: {from} -> {to}")));
                let gone = known.iter().filter(|known| !to.contains(**known));
                wrong.extend(gone.map(|to| format!("no longer there: {from} -> {to}")));
            }
        }
    }
    let gone = MODULES.iter().filter(|row| !found.contains_key(row.0));
    wrong.extend(gone.map(|row| format!("no longer there: {}", row.0)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_know_only_those_above_them_but_for_the_exceptions() {
    let place = |name: &str| {
        let place = MODULES.iter().position(|row| row.0 == name);
        place.unwrap_or_else(|| panic!("{name} has no line"))
    };
    let mut upward: Vec<_> = MODULES
        .iter()
        .flat_map(|row| knows(row).into_iter().map(|to| (row.0, to)))
        .filter(|(from, to)| place(to) >= place(from))
        .collect();
    let mut excepted: Vec<_> = UPWARD.iter().map(|(from, to, _)| (*from, *to)).collect();
    upward.sort_unstable();
    excepted.sort_unstable();
    assert_eq!(upward, excepted);
}

#[test]
fn the_tests_that_the_threats_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let threats = read(&root.join("docs/threats.md"));
    let mut missing = Vec::new();
    let mut found = 0;
    // What stands between backticks: a file, then names of tests in it until the next file or cell.
    for row in threats.split([';', '|']) {
        let mut quoted = row.split('`').skip(1).step_by(2);
        let file = quoted.next().map(Path::new).filter(|file| is_rust(file));
        let Some(file) = file else { continue };
        let place = if file.starts_with("tests") { "" } else { "src" };
        let code = read(&root.join(place).join(file));
        for test in quoted {
            found += 1;
            if !code.contains(&format!("fn {test}(")) {
                missing.push(format!("{}: {test}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(found > 100, "found only {found} names");
}

#[test]
fn paths_are_found_in_nested_lists_and_not_in_comments_or_tests() {
    let text = "
        //! [`crate::comment`]
        use crate::{
            a::{b, c::{d, e}}, // crate::remark
            f::{self, g},
            h,
        };
        use crate::i::j;
        fn k() { crate::l::m(); }
        #[cfg(test)]
        mod tests {
            use crate::n;
        }";
    let found: Vec<_> = known_by(text).into_iter().collect();
    assert_eq!(found, ["a", "f", "h", "i", "l"]);
}

/// What a line of the table allows.
fn knows(row: &(&str, &'static str)) -> Vec<&'static str> {
    row.1.split_whitespace().collect()
}

/// What each top-level module of `src/` knows.
fn arrows() -> Arrows {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut arrows = Arrows::new();
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).unwrap_or(&file);
        let steps: Vec<_> = inside.iter().filter_map(|step| step.to_str()).collect();
        let is_test = steps
            .iter()
            .any(|step| matches!(*step, "tests" | "tests.rs"));
        let Some(module) = steps.first().map(|step| step.trim_end_matches(".rs")) else {
            continue;
        };
        if is_test || matches!(module, "lib" | "main") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}"));
        let mut known = known_by(&text);
        known.remove(module);
        arrows
            .entry(module.to_owned())
            .or_default()
            .append(&mut known);
    }
    arrows
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}"));
    let paths = entries.map(|entry| entry.unwrap_or_else(|error| panic!("{error}")).path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                rust_files(&path)
            } else {
                Some(path)
                    .filter(|path| is_rust(path))
                    .into_iter()
                    .collect()
            }
        })
        .collect()
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "rs")
}

/// First names of all `crate::` paths in a file's text. Its test module ends the file.
fn known_by(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .take_while(|line| !line.trim_start().starts_with("mod tests {"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => names.extend(listed(list)),
            None => names.extend([name(rest)]),
        }
    }
    names
}

/// First names in `a::{b, c}, d}` and whatever follows.
fn listed(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut item = list;
    let mut depth = 0;
    for (place, sign) in list.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                names.push(name(item.trim_start_matches([',', ' ', '\n'])));
                item = list.get(place..).unwrap_or_default();
                if sign == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn name(path: &str) -> String {
    let end = path.find(|sign: char| !sign.is_alphanumeric() && sign != '_');
    path.get(..end.unwrap_or(path.len()))
        .unwrap_or_default()
        .to_owned()
}
