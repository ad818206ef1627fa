//! A strict reader of Prometheus' text format 0.0.4, for what must be well formed: each family once,
//! with help and type before its samples, no series twice, counters that end in `_total`, histograms
//! whose buckets add up. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeSet;

/// One line with a value.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The family that it belongs to.
    pub(crate) family: String,
    /// With the suffix of a histogram's part.
    pub(crate) name: String,
    /// In their order, unescaped.
    pub(crate) labels: Vec<(String, String)>,
    /// What it says.
    pub(crate) value: f64,
}

/// All samples, or what is wrong with the text.
pub(crate) fn parse(text: &str) -> Result<Vec<Sample>, String> {
    let text = text.strip_suffix('\n').ok_or("the last line has no end")?;
    let mut samples: Vec<Sample> = Vec::new();
    let mut families = BTreeSet::new();
    let mut series = BTreeSet::new();
    let mut helped = "";
    let mut family = ("", "");
    for line in text.split('\n') {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helped = rest.split_once(' ').ok_or_else(|| wrong("no help"))?.0;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            if family.0 != helped || !families.insert(family.0) {
                return Err(wrong("a type without help, or a second one"));
            }
            if !matches!(family.1, "counter" | "gauge" | "histogram") || !is_name(family.0) {
                return Err(wrong("an unknown type, or no name"));
            }
            if (family.1 == "counter") != family.0.ends_with("_total") {
                return Err(wrong("counters, and no others, end in _total"));
            }
        } else {
            let sample = sample(line, family.0)?;
            let part = sample.name.strip_prefix(family.0);
            let parts: &[&str] = match family.1 {
                "histogram" => &["_bucket", "_sum", "_count"],
                "counter" | "gauge" => &[""],
                _ => &[],
            };
            if !part.is_some_and(|part| parts.contains(&part)) {
                return Err(wrong("not of the family before it"));
            }
            if family.1 == "counter" && sample.value < 0.0 {
                return Err(wrong("a counter below zero"));
            }
            let mut labels = sample.labels.clone();
            labels.sort();
            if !series.insert((sample.name.clone(), labels)) {
                return Err(wrong("a series twice"));
            }
            samples.push(sample);
        }
    }
    histograms(&samples)?;
    Ok(samples)
}

fn sample(line: &str, family: &str) -> Result<Sample, String> {
    let wrong = |why: &str| format!("{why}: {line}");
    let end = line.find(['{', ' ']).ok_or_else(|| wrong("no value"))?;
    let (name, mut rest) = line.split_at(end);
    let mut labels: Vec<(String, String)> = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or_else(|| wrong("no label"))?;
            let (value, after) = quoted(after).ok_or_else(|| wrong("no label's value"))?;
            if !is_name(label) || labels.iter().any(|(known, _)| known == label) {
                return Err(wrong("a label that is no name, or twice"));
            }
            labels.push((label.to_owned(), value));
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').ok_or_else(|| wrong("no comma"))?;
        }
    }
    let value = rest.strip_prefix(' ').ok_or_else(|| wrong("no space"))?;
    Ok(Sample {
        family: family.to_owned(),
        name: name.to_owned(),
        labels,
        value: value.parse().map_err(|_| wrong("no number"))?,
    })
}

/// What stands before the next plain quotation mark, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    loop {
        match signs.next()? {
            (at, '"') => return Some((value, text.split_at(at + 1).1)),
            (_, '\\') => value.push(match signs.next()?.1 {
                'n' => '\n',
                sign @ ('\\' | '"') => sign,
                _ => return None,
            }),
            (_, sign) => value.push(sign),
        }
    }
}

fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(word) && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Buckets grow, and the last one, `+Inf`, is the count.
fn histograms(samples: &[Sample]) -> Result<(), String> {
    let mut last: Option<(f64, f64)> = None;
    for sample in samples {
        if sample.name == format!("{}_bucket", sample.family) {
            let bound = sample.labels.iter().find(|(name, _)| name == "le");
            let bound = bound.and_then(|(_, bound)| bound.parse::<f64>().ok());
            let bound = bound.ok_or_else(|| format!("no bound: {sample:?}"))?;
            if last.is_some_and(|(before, count)| bound <= before || sample.value < count) {
                return Err(format!("a bucket below the one before it: {sample:?}"));
            }
            last = Some((bound, sample.value));
        } else if sample.name == format!("{}_count", sample.family)
            && last.take() != Some((f64::INFINITY, sample.value))
        {
            return Err(format!("not the count of all: {sample:?}"));
        }
    }
    match last {
        None => Ok(()),
        Some(_) => Err("a histogram without a count".to_owned()),
    }
}
