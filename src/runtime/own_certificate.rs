//! Keeps the certificate of `tls = "self-signed"` as the configuration and the date want it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tokio::time::{MissedTickBehavior, interval};

use super::{Runtime, Shared};
use crate::{
    clock::Clock,
    config::{self, Config},
    http::sites::Sites,
    listener::self_signed::{self, Error, Kept},
    telemetry::chain,
};

/// Where it is kept.
#[derive(Clone, Debug)]
pub(super) struct OwnCertificate {
    folder: PathBuf,
    clock: Clock,
}

impl OwnCertificate {
    /// `folder` is made where it is missing; what it is in must be ours alone.
    pub(super) const fn new(folder: PathBuf, clock: Clock) -> Self {
        Self { folder, clock }
    }

    /// Makes what is missing for a configuration that is about to be served.
    pub(super) fn for_config(&self, config: &Config) -> Result<Kept, Error> {
        self.keep(&config.server.sites(), config.routes.iter())
    }

    fn for_runtime(&self, runtime: &Runtime) -> Result<Kept, Error> {
        let routes = runtime.routes().iter().map(|route| &route.config);
        self.keep(&runtime.sites, routes)
    }

    fn keep<'a>(
        &self,
        sites: &Sites,
        routes: impl Iterator<Item = &'a config::Route>,
    ) -> Result<Kept, Error> {
        let names = self_signed::names(sites, routes.filter_map(|route| route.host.as_ref()));
        self_signed::keep(&self.folder, &names, self.today())
    }

    fn today(&self) -> Date {
        let now = i64::try_from(self.clock.now().0).unwrap_or_default();
        let now = Timestamp::from_millisecond(now).unwrap_or_default();
        now.to_zoned(TimeZone::UTC).date()
    }

    /// Makes another for new names or before the end. Looks often enough for a reload; looking
    /// costs three small reads.
    pub(super) async fn renew(self, shared: Arc<Shared>) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.for_runtime(&shared.runtime.load()) {
                tracing::error!(error = %chain(&error), "the old certificate stays in use");
            }
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(2);
