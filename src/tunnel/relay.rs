//! The relay itself: two lanes, two clocks, one end.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    EndedBy, Options, Sender, Side, Stop, Stream, Summary,
    lane::{Broken, Lane, poll_drain},
    scratch,
};
use crate::secret::random;

/// Relays until both sides have ended, one fails, a limit is passed or `stop` resolves.
///
/// `activity` is called when the client sent (a part of) a data frame, at most once a read.
///
/// An end of stream is passed on as one, a failure as a reset. At a stop both sides get a close
/// frame where frames allow, then the end of the stream; it takes `options.close_wait` at most.
pub async fn relay<C, U>(
    client: Side<C>,
    upstream: Side<U>,
    options: &Options,
    stop: impl Future<Output = Stop>,
    activity: impl FnMut(),
) -> Summary
where
    C: Stream,
    U: Stream,
{
    let now = Instant::now();
    let mut tunnel = Tunnel {
        // A pong comes back on the lane against which its ping went.
        from_client: Lane::new(Sender::Client, random(), now),
        from_upstream: Lane::new(Sender::Upstream, random(), now),
        client: client.io,
        upstream: upstream.io,
        options,
        activity,
        ended: None,
        stopping: None,
        half_over: None,
    };
    if tunnel.from_client.begin(&client.early) {
        (tunnel.activity)();
    }
    tunnel.from_upstream.begin(&upstream.early);
    drop((client.early, upstream.early));
    let mut stop = pin!(stop);
    let mut timer = pin!(sleep_until(now));
    let ended = poll_fn(|cx| {
        if tunnel.stopping.is_none()
            && let Poll::Ready(why) = stop.as_mut().poll(cx)
        {
            tunnel.stop(why);
        }
        tunnel.poll(cx, timer.as_mut())
    })
    .await;
    Summary {
        from_client: tunnel.from_client.bytes,
        from_upstream: tunnel.from_upstream.bytes,
        ended,
    }
}

struct Tunnel<'a, C, U, A> {
    client: C,
    upstream: U,
    from_client: Lane,
    from_upstream: Lane,
    options: &'a Options,
    activity: A,
    /// Who ended first.
    ended: Option<EndedBy>,
    stopping: Option<Stopping>,
    /// Since when one of the lanes is over.
    half_over: Option<Instant>,
}

/// After the stop signal.
struct Stopping {
    deadline: Instant,
    client_drained: bool,
    upstream_drained: bool,
}

impl<C, U, A> Tunnel<'_, C, U, A>
where
    C: Stream,
    U: Stream,
    A: FnMut(),
{
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<EndedBy> {
        let now = Instant::now();
        loop {
            if let Some(ended) = scratch::with(|scratch| self.pump(cx, scratch, now)) {
                return Poll::Ready(ended);
            }
            // Deadlines mostly move on; the timer is left to fire early rather than moved with each.
            let deadline = self.deadline();
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(ended) = self.on_time(cx, Instant::now()) {
                return Poll::Ready(ended);
            }
        }
    }

    /// Moves what can be moved. `Some` when the tunnel is over.
    fn pump(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], now: Instant) -> Option<EndedBy> {
        let mut budget = BUDGET;
        let result = self.from_client.pump(
            cx,
            (&mut self.client, &mut self.upstream),
            (scratch, &mut budget),
            now,
            &mut self.activity,
        );
        if let Err(broken) = result {
            if let Some(ended) = self.broken(broken, EndedBy::Client, EndedBy::Upstream) {
                return Some(ended);
            }
            // The receiver has yet to hear of it, and nothing else may wake us.
            cx.waker().wake_by_ref();
        }
        let mut budget = BUDGET;
        let result = self.from_upstream.pump(
            cx,
            (&mut self.upstream, &mut self.client),
            (scratch, &mut budget),
            now,
            || {},
        );
        if let Err(broken) = result {
            if let Some(ended) = self.broken(broken, EndedBy::Upstream, EndedBy::Client) {
                return Some(ended);
            }
            cx.waker().wake_by_ref();
        }
        self.note_end(now);
        if let Some(stopping) = &mut self.stopping {
            if !self.from_client.is_flowing() && !stopping.client_drained {
                stopping.client_drained = poll_drain(cx, &mut self.client, scratch).is_ready();
            }
            if !self.from_upstream.is_flowing() && !stopping.upstream_drained {
                stopping.upstream_drained = poll_drain(cx, &mut self.upstream, scratch).is_ready();
            }
            if !(stopping.client_drained && stopping.upstream_drained) {
                return None;
            }
        }
        let over = self.from_client.is_over() && self.from_upstream.is_over();
        self.ended.filter(|_| over)
    }

    /// Remembers who ended first, and when one of the two lanes was over.
    fn note_end(&mut self, now: Instant) {
        if !self.from_client.is_flowing() {
            self.ended.get_or_insert(EndedBy::Client);
        }
        if !self.from_upstream.is_flowing() {
            self.ended.get_or_insert(EndedBy::Upstream);
        }
        if self.from_client.is_over() || self.from_upstream.is_over() {
            self.half_over.get_or_insert(now);
        }
    }

    /// The lane from `sender` to `receiver` failed. `Some` when that ends the tunnel.
    ///
    /// A receiver that takes no more may still have last words to be read. A sender that fails
    /// before any close frame is an abort, and the receiver sees it as one.
    fn broken(&mut self, broken: Broken, sender: EndedBy, receiver: EndedBy) -> Option<EndedBy> {
        let closing = self.from_client.is_closed() || self.from_upstream.is_closed();
        let lane = match sender {
            EndedBy::Client => &mut self.from_client,
            _ => &mut self.from_upstream,
        };
        if broken == Broken::Write {
            lane.give_up();
            self.ended.get_or_insert(receiver);
            return None;
        }
        if self.stopping.is_some() || closing {
            lane.end();
            return None;
        }
        match receiver {
            EndedBy::Client => self.client.reset_on_close(),
            _ => self.upstream.reset_on_close(),
        }
        Some(*self.ended.get_or_insert(sender))
    }

    fn stop(&mut self, why: Stop) {
        self.from_client.stop(why);
        self.from_upstream.stop(why);
        self.ended.get_or_insert(EndedBy::Stop(why));
        self.stopping = Some(Stopping {
            deadline: Instant::now() + self.options.close_wait,
            client_drained: false,
            upstream_drained: false,
        });
    }

    /// When there is something to do even if nothing is sent.
    fn deadline(&self) -> Instant {
        if let Some(stopping) = &self.stopping {
            return stopping.deadline;
        }
        let lanes = [&self.from_client, &self.from_upstream];
        let write = self.options.write_timeout;
        let blocked = lanes
            .iter()
            .filter_map(|lane| Some(lane.blocked_since? + write));
        let quiet = lanes.iter().filter(|lane| lane.is_open());
        let quiet = quiet.map(|lane| lane.quiet_since + self.options.ping_after);
        blocked
            .chain(quiet)
            .chain(self.half_over_deadline())
            .min()
            .unwrap_or_else(|| {
                // Both lanes are only flushing, which `blocked_since` guards.
                Instant::now() + write
            })
    }

    /// One lane is over and the other says nothing either.
    fn half_over_deadline(&self) -> Option<Instant> {
        let last = self.from_client.last_read.max(self.from_upstream.last_read);
        Some(self.half_over?.max(last) + self.options.half_close_timeout)
    }

    /// Does what is due. `Some` when the tunnel is over.
    fn on_time(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<EndedBy> {
        if let Some(stopping) = &self.stopping {
            let over = stopping.deadline <= now;
            if over {
                // In mid-frame no close frame can be sent; the end of the stream has to do.
                drop(Pin::new(&mut self.client).poll_shutdown(cx));
                drop(Pin::new(&mut self.upstream).poll_shutdown(cx));
            }
            return self.ended.filter(|_| over);
        }
        let lanes = [&self.from_client, &self.from_upstream];
        let write = self.options.write_timeout;
        if lanes
            .iter()
            .any(|lane| lane.blocked_since.is_some_and(|since| since + write <= now))
        {
            self.client.reset_on_close();
            self.upstream.reset_on_close();
            return Some(EndedBy::Stall);
        }
        if self
            .half_over_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            return self.ended;
        }
        let after = self.options.ping_after;
        ping(&mut self.from_client, &mut self.from_upstream, after, now);
        ping(&mut self.from_upstream, &mut self.from_client, after, now);
        None
    }
}

/// Pings the receiver of `lane` when nothing was sent to it for a while; the pong will come on
/// `back`. Skips a turn where a ping cannot stand or its pong would not be recognized.
fn ping(lane: &mut Lane, back: &mut Lane, after: Duration, now: Instant) {
    if lane.quiet_since + after > now {
        return;
    }
    lane.quiet_since = now;
    if lane.is_idle()
        && lane.may_insert()
        && back.is_open()
        && !back.is_closed()
        && !back.is_blind()
    {
        lane.ping(back.filter().nonce());
        back.filter().expect_pong();
    }
}

/// Bytes of one direction between two turns of the other tasks of the thread.
const BUDGET: usize = 4 * 1024 * 1024;
