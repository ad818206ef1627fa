//! Figures as a table and as a plot.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use super::cases::{Case, Extra};

/// CPU per unit, nanoseconds: a list of rounds per target, in the order of the targets.
#[derive(Debug)]
pub(crate) struct Figures {
    rounds: Vec<(&'static str, Vec<f64>)>,
}

impl Figures {
    pub(crate) fn new(targets: impl Iterator<Item = &'static str>) -> Self {
        Self {
            rounds: targets.map(|name| (name, Vec::new())).collect(),
        }
    }

    pub(crate) fn push(&mut self, target: &str, nanos: f64) {
        let row = self.rounds.iter_mut().find(|row| row.0 == target);
        row.unwrap().1.push(nanos);
    }

    fn medians(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.rounds
            .iter()
            .map(|(name, rounds)| (*name, median(rounds)))
    }

    /// One line for a person who waits.
    pub(crate) fn line(&self, case: &Case) -> String {
        let mut line = format!("{:<12}", case.name);
        for (name, figure) in self.medians() {
            write!(line, "  {name} {:.1}", figure / 1e3).unwrap();
        }
        line + &format!("  us/{}", case.unit())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A figure per target.
#[derive(Debug, Default)]
pub(crate) struct Row(pub(crate) Vec<(&'static str, f64)>);

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    versions: Vec<String>,
    cores: usize,
    cases: Vec<(Case, Figures)>,
    extras: Vec<(Extra, Row)>,
}

impl Report {
    pub(crate) fn new(versions: Vec<String>, cores: usize) -> Self {
        Self {
            versions,
            cores,
            cases: Vec::new(),
            extras: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, case: &Case, figures: Figures) {
        self.cases.push((*case, figures));
    }

    pub(crate) fn add_extra(&mut self, extra: Extra, row: Row) {
        self.extras.push((extra, row));
    }

    /// Tables in Markdown.
    pub(crate) fn text(&self) -> String {
        let rounds = self
            .cases
            .first()
            .map_or(0, |(_, figures)| figures.rounds[0].1.len());
        let mut text = format!(
            "{}; {} cores; medians of {rounds} rounds.\n\n",
            self.versions.join("; "),
            self.cores,
        );
        text += "| case | CPU per unit: labgate | and as a ratio to labgate |\n|---|---|---|\n";
        for (case, figures) in &self.cases {
            let medians: Vec<_> = figures.medians().collect();
            let own = medians[0].1;
            let others: Vec<_> = medians[1..]
                .iter()
                .map(|(name, figure)| format!("{name} {:.2}", figure / own))
                .collect();
            let unit = case.unit();
            writeln!(
                text,
                "| {}: {} | {} a {unit} | {} |",
                case.name,
                case.what,
                time(own),
                others.join(", ")
            )
            .unwrap();
        }
        let targets: BTreeMap<_, _> = self
            .extras
            .iter()
            .flat_map(|(_, row)| &row.0)
            .copied()
            .collect();
        if !targets.is_empty() {
            let names: Vec<_> = self.extras[0].1.0.iter().map(|(name, _)| *name).collect();
            writeln!(
                text,
                "\n| | {} |\n|---|{}",
                names.join(" | "),
                "---|".repeat(names.len())
            )
            .unwrap();
            for (extra, row) in &self.extras {
                let figures: Vec<_> = row
                    .0
                    .iter()
                    .map(|(_, figure)| format!("{figure:.1}"))
                    .collect();
                writeln!(text, "| {} | {} |", extra.what(), figures.join(" | ")).unwrap();
            }
        }
        text
    }

    /// Puts the tables between the marks in `docs/performance.md`, and the plot beside it.
    pub(crate) fn write(&self) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
        let path = format!("{folder}/performance.md");
        let page = fs::read_to_string(&path).unwrap();
        let (before, rest) = page
            .split_once(BEGIN)
            .expect("the mark in docs/performance.md");
        let (_, after) = rest
            .split_once(END)
            .expect("the mark in docs/performance.md");
        let page = format!("{before}{BEGIN}\n{}{END}{after}", self.text());
        fs::write(path, page).unwrap();
        fs::write(format!("{folder}/performance.svg"), self.plot()).unwrap();
    }

    /// A bar per target and case, labgate's being as long everywhere.
    fn plot(&self) -> String {
        let rows: usize = self
            .cases
            .iter()
            .map(|(_, figures)| figures.rounds.len() + 1)
            .sum();
        let height = rows * BAR + 2 * BAR;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"11\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        let mut y = BAR;
        for (case, figures) in &self.cases {
            let medians: Vec<_> = figures.medians().collect();
            let own = medians[0].1;
            writeln!(
                svg,
                "<text x=\"8\" y=\"{y}\" font-weight=\"600\">{}</text>",
                case.what
            )
            .unwrap();
            for (place, (name, figure)) in medians.iter().enumerate() {
                y += BAR;
                let ratio = figure / own;
                let length = (ratio * ONE).min(f64::from(WIDTH) - LEFT - 48.0);
                let color = if place == 0 { "#0b6e99" } else { "#b9c4ca" };
                writeln!(
                    svg,
                    "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\" fill=\"#333\">{name}</text>\
                     <rect x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"{color}\"/>\
                     <text x=\"{:.1}\" y=\"{y}\" fill=\"#333\">{ratio:.2}</text>",
                    LEFT - 8.0,
                    y - BAR + 6,
                    BAR - 5,
                    LEFT + length + 6.0,
                )
                .unwrap();
            }
            y += BAR;
        }
        svg + "</svg>\n"
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        1e8.. => format!("{:.2} s", nanos / 1e9),
        _ => format!("{:.1} us", nanos / 1e3),
    }
}

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- end -->";
const WIDTH: u16 = 720;
const BAR: usize = 16;
const LEFT: f64 = 190.0;
/// How long labgate's bar is.
const ONE: f64 = 170.0;
