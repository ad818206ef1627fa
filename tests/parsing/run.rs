//! Sends the whole corpus through a proxy, and sorts what came of it by case.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::{StreamExt, stream};

use crate::{
    case::{Case, NEXT},
    client::{Split, statuses, talk},
    proxies::Proxy,
    recorder::Record,
};

/// What came of one case, sent in one way.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) split: Split,
    /// What reached the upstream, in order.
    pub(crate) records: Vec<Record>,
    pub(crate) answers: Vec<u16>,
}

/// All outcomes of a proxy.
pub(crate) struct Run {
    /// As the proxy says itself.
    pub(crate) version: String,
    /// For each case one for each way of splitting.
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    /// What reached the upstream without a word about whose it is: bytes that the proxy took for
    /// something else than a request.
    pub(crate) strays: Vec<Record>,
}

impl Outcome {
    /// The requests of the case itself, whole ones.
    pub(crate) fn upstream(&self) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(|record| record.whole && !is_next(record))
    }

    /// Whether what follows the case was read as a request.
    pub(crate) fn next(&self) -> bool {
        self.records.iter().any(is_next)
    }

    /// Requests that began and never ended.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| !record.whole)
    }
}

fn is_next(record: &Record) -> bool {
    record.whole && NEXT.starts_with(record.message.line())
}

/// Runs all cases, some at a time.
pub(crate) async fn run(proxy: Proxy, cases: &[Case], splits: &[Split]) -> Run {
    let version = proxy.version.clone();
    let address = proxy.address;
    let sent = cases.iter().enumerate().flat_map(|(number, case)| {
        let each = splits.iter().enumerate();
        each.map(move |(way, split)| (number * splits.len() + way, case, *split))
    });
    let answers: Vec<(Split, Vec<u16>)> = stream::iter(sent)
        .map(|(number, case, split)| async move {
            let came = talk(address, from(number), case, split).await;
            (split, statuses(&came))
        })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let (mut tagged, strays): (Vec<_>, Vec<_>) = proxy
        .finish()
        .await
        .into_iter()
        .partition(|record| record.client.is_some());
    let mut all = answers
        .into_iter()
        .enumerate()
        .map(|(number, (split, answers))| {
            let own = Some(IpAddr::from(from(number)));
            Outcome {
                split,
                records: tagged
                    .extract_if(.., |record| record.client == own)
                    .collect(),
                answers,
            }
        });
    let outcomes = cases
        .iter()
        .map(|_| all.by_ref().take(splits.len()).collect())
        .collect();
    Run {
        version,
        outcomes,
        strays,
    }
}

/// The address that a run comes from: all of 127.0.0.0/8 is this machine.
fn from(number: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

const AT_A_TIME: usize = 24;
