//! Does a stage of the data path take more instructions than it did?
//!
//! Wall time on a shared machine cannot tell five percent from noise; a count of instructions can.
//! Each stage runs under valgrind in a process of its own, twice, with one number of calls and with
//! three times as many: the difference belongs to the calls alone. `accepted.txt` has
//! the counts that are accepted; more than 3 % above one of them fails. That much comes of another
//! compiler or C library; what a change costs or saves is exact.
//!
//! ```text
//! scripts/instructions            compare
//! scripts/instructions --accept   write the file anew
//! ```
//!
//! Otherwise (`cargo bench -- --test`) each stage runs a few times, to see that it still does.

#![expect(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up has nothing to say, and prints what it has"
)]

mod stages;

use std::{collections::BTreeMap, env, fmt::Write as _, fs, process::Command};

use stages::STAGES;

const ACCEPTED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/instructions/accepted.txt"
);
/// Calls of the first run.
const CALLS: usize = 1_000;
/// In thousandths.
const TOLERANCE: u64 = 30;
/// The C library has a `memcpy` for each generation of processors; this is the oldest, by the names of
/// older and newer versions of the library.
const HWCAPS: &str =
    "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX512VL,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM";

/// Instructions per call by name of the stage.
type Counts = BTreeMap<String, u64>;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--stage", name, calls] => {
            let (_, stage) = STAGES.iter().find(|stage| stage.0 == *name).unwrap();
            stage(calls.parse().unwrap());
        }
        ["--accept", ..] => accept(&count_all()),
        ["--compare", ..] => compare(&accepted(), &count_all()),
        _ => STAGES.iter().for_each(|(name, stage)| {
            stage(10);
            println!("{name}: runs");
        }),
    }
}

fn count_all() -> Counts {
    let count = |name: &str| {
        let few = instructions(name, CALLS);
        let many = instructions(name, 3 * CALLS);
        (many - few) / (2 * CALLS as u64)
    };
    let all = STAGES
        .iter()
        .map(|(name, _)| ((*name).to_owned(), count(name)));
    all.collect()
}

/// Of a whole process. The same vector instructions everywhere, as far as the C library goes.
fn instructions(stage: &str, calls: usize) -> u64 {
    let run = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(env::current_exe().unwrap())
        .args(["--stage", stage, &calls.to_string()])
        .env("GLIBC_TUNABLES", HWCAPS)
        .output()
        .expect("valgrind is missing; scripts/test-setup installs it");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{stage}: {said}");
    // ==123== I   refs:      1,119,089,350
    let count = said.lines().find_map(|line| line.split_once("refs:"));
    let digits = count.expect("valgrind's sum").1.replace(',', "");
    digits.trim().parse().expect("a number")
}

fn compare(accepted: &Counts, counted: &Counts) {
    let mut failed = Vec::new();
    for (name, count) in counted {
        let Some(before) = accepted.get(name) else {
            println!("{name}: {count} instructions a call, not accepted yet");
            failed.push(name.as_str());
            continue;
        };
        let change = (*count as f64 / *before as f64 - 1.0) * 100.0;
        println!("{name}: {count} instructions a call, {change:+.1} % of {before}");
        if *count > before + before * TOLERANCE / 1000 {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        println!(
            "more instructions than accepted: {}\n\
             Find what they are for (docs/performance.md says how). Where they are worth it, or \
             another compiler made them: scripts/instructions --accept, and say why in the commit.\n\
             Accepted were those of {}; this is {}.",
            failed.join(", "),
            compiler_of(&text()).unwrap_or("nobody"),
            compiler()
        );
        std::process::exit(1);
    }
}

fn accept(counted: &Counts) {
    let mut text = format!("{COMPILER}{}\n", compiler());
    for (name, count) in counted {
        println!("{name}: {count} instructions a call");
        writeln!(text, "{name} {count}").unwrap();
    }
    fs::write(ACCEPTED, text).unwrap();
}

fn accepted() -> Counts {
    let text = text();
    let rows = text.lines().filter_map(|line| line.split_once(' '));
    rows.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)))
        .collect()
}

fn text() -> String {
    fs::read_to_string(ACCEPTED).unwrap_or_default()
}

fn compiler_of(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix(COMPILER))
}

fn compiler() -> String {
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&rustc.stdout);
    format!("{}, {}", version.trim(), env::consts::ARCH)
}

const COMPILER: &str = "# Instructions a call, by scripts/instructions --accept: ";
