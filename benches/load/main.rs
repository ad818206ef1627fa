//! How much CPU does labgate take for a unit of work, against nginx, HAProxy and a direct connection?
//!
//! One run starts them all, doing the same job: check the session in a cookie, strip the first path
//! segment, set `X-Forwarded-*` and the user's name, pass on over pooled connections. The measured
//! process is pinned to the first core; load and upstream have the second. The unit is CPU time of
//! the measured process (user and system, from the scheduler's own account), since rates are noise
//! on a shared machine. Targets take turns in every round; the figures are medians of the rounds.
//! labgate runs as shipped: limits, metrics, and the access log written to a file. The others write
//! no log. Act when a ratio of `docs/performance.md` grows by more than a tenth.
//!
//! ```text
//! scripts/bench-load [--rounds 5] [--scale 1.0] [--write] [CASE]...
//! ```
//!
//! `--write` puts the tables and the plot into `docs/`. As a criterion bench is, it is run by
//! `cargo bench -- --test` with a few units of everything, to see that it still runs.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::doc_markdown,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up has nothing to say, and prints what it has"
)]

mod cases;
mod certificate;
mod client;
mod peers;
mod process;
mod report;
mod upstream;

use cases::{CASES, Case, Extra};
use peers::Fleet;
use report::{Figures, Report};

/// What to run, from the command line.
struct Wanted {
    rounds: usize,
    /// What the number of units of every case is multiplied with.
    scale: f64,
    write: bool,
    cases: Vec<String>,
}

impl Wanted {
    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut wanted = Self {
            rounds: 5,
            scale: 1.0,
            write: false,
            cases: Vec::new(),
        };
        let mut arguments = arguments.skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => wanted.rounds = number(arguments.next()),
                "--scale" => wanted.scale = number(arguments.next()),
                "--write" => wanted.write = true,
                "--test" => (wanted.rounds, wanted.scale) = (1, 0.002),
                // What cargo adds.
                "--bench" => {}
                case => wanted.cases.push(case.to_owned()),
            }
        }
        wanted
    }

    fn has(&self, name: &str) -> bool {
        self.cases.is_empty()
            || self
                .cases
                .iter()
                .any(|case| name.starts_with(case.as_str()))
    }
}

fn number<T: std::str::FromStr>(text: Option<String>) -> T {
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.expect("a number behind --rounds and --scale")
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(upstream::ARGUMENT) {
        upstream::run();
    }
    let wanted = Wanted::parse(std::env::args());
    process::raise_file_limit();
    // What is pinned sees one.
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    process::pin_self(process::LOAD_CORE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(&wanted, cores));
}

async fn run(wanted: &Wanted, cores: usize) {
    let fleet = Fleet::start().await;
    let mut report = Report::new(Fleet::versions(), cores);
    for case in CASES.iter().filter(|case| wanted.has(case.name)) {
        let figures = measure(case, &fleet, wanted).await;
        report.add(case, figures);
    }
    for extra in Extra::ALL.iter().filter(|extra| wanted.has(extra.name())) {
        report.add_extra(*extra, extra.measure(&fleet, wanted.scale).await);
    }
    println!("{}", report.text());
    if wanted.write {
        report.write();
    }
}

/// CPU per unit of every target, a row of rounds each.
async fn measure(case: &Case, fleet: &Fleet, wanted: &Wanted) -> Figures {
    let targets = fleet.of(case);
    let units = case.units(wanted.scale);
    let mut figures = Figures::new(targets.iter().map(|target| target.name));
    for round in 0..wanted.rounds {
        for place in 0..targets.len() {
            // Nobody always comes behind the same one.
            let target = targets[(place + round) % targets.len()];
            // Pools are filled, code is warm.
            case.drive(target, fleet, units / 20 + 1).await;
            let before = target.cpu();
            case.drive(target, fleet, units).await;
            let spent = target.cpu().saturating_sub(before);
            figures.push(target.name, spent.as_nanos() as f64 / units as f64);
        }
    }
    println!("{}", figures.line(case));
    figures
}
