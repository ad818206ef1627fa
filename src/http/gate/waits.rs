//! Which wait of a connection ends first, and what it means if nothing comes of it.

use tokio::time::Instant;

use super::{Ended, Limits, timer::after, track::Phase};

/// Since when somebody has been waiting for something.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// For the end of the head that has begun; the first one begins when the client is accepted.
    pub(super) head_since: Option<Instant>,
    /// For any byte, by hyper: when it first asked in vain.
    pub(super) client_since: Option<Instant>,
    /// For the client to take a byte.
    pub(super) taking_since: Option<Instant>,
    /// When the client last took one.
    pub(super) taken_last: Option<Instant>,
    /// For the client to close.
    pub(super) lingering_since: Option<Instant>,
}

impl Waits {
    /// The next deadline, if anybody waits for something that has one.
    pub(super) fn next_deadline(
        &self,
        limits: &Limits,
        phase: &Phase,
        is_idle: bool,
    ) -> Option<(Instant, Ended)> {
        let taking = self.taking_since.map(|since| {
            (
                after(since, limits.download_timeout),
                Ended::DownloadTimeout,
            )
        });
        let giving = match (phase, self.head_since, self.client_since) {
            (Phase::Head, Some(since), _) => {
                Some((after(since, limits.header_timeout), Ended::HeaderTimeout))
            }
            (Phase::Head, None, Some(since)) if taking.is_none() && is_idle => {
                let since = self.taken_last.map_or(since, |taken| taken.max(since));
                let deadline = after(since, limits.keep_alive_timeout);
                Some((deadline, Ended::KeepAliveTimeout))
            }
            (Phase::Body(_), _, Some(since)) => {
                Some((after(since, limits.upload_timeout), Ended::UploadTimeout))
            }
            _ => None,
        };
        giving
            .into_iter()
            .chain(taking)
            .min_by_key(|(deadline, _)| *deadline)
    }
}
