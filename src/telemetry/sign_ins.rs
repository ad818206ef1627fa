//! How sign-ins ended, counted on the control side.

use std::sync::atomic::{AtomicU64, Ordering};

/// How a sign-in ended: by a form with a password, or by a one-time link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignIn {
    /// Too many at once.
    Busy,
    /// A fault of ours.
    Failed,
    /// The form had no anti-forgery value of ours, or not this browser's.
    Forged,
    /// The one-time link is unknown, used, too old, or its user may not sign in.
    LinkGone,
    /// A session began.
    Success,
    /// Not looked at, after too many failures.
    Throttled,
    /// No such user and password, or the user is disabled.
    Wrong,
}

impl SignIn {
    const ALL: [Self; 7] = [
        Self::Busy,
        Self::Failed,
        Self::Forged,
        Self::LinkGone,
        Self::Success,
        Self::Throttled,
        Self::Wrong,
    ];

    /// As it is called in metrics and in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Forged => "forged",
            Self::LinkGone => "link-gone",
            Self::Success => "success",
            Self::Throttled => "throttled",
            Self::Wrong => "wrong",
        }
    }
}

/// Counts by how they ended.
#[derive(Debug, Default)]
pub struct SignIns([AtomicU64; SignIn::ALL.len()]);

impl SignIns {
    /// Counts one.
    pub fn count(&self, ended: SignIn) {
        for (known, count) in SignIn::ALL.iter().zip(&self.0) {
            if *known == ended {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How they ended, and how many.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        SignIn::ALL.into_iter().map(SignIn::name).zip(counts)
    }
}
