#![forbid(unsafe_code)]
//! How long an answer is waited for: until somebody says otherwise, or a point in
//! time.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tells work under way that nobody waits for it any longer.
///
/// Clones are handles to the same thing. A server hands one to
/// `Pprof::respond` and calls [`cancel`](Self::cancel) on
/// another when the client has gone away.
///
/// ```
/// use std::time::{Duration, Instant};
/// use heapprof::http::Cancellation;
///
/// let cancellation = Cancellation::with_deadline(Instant::now() + Duration::from_secs(60));
/// assert!(!cancellation.is_cancelled());
/// cancellation.clone().cancel();
/// assert!(cancellation.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    shared: Arc<Shared>,
    deadline: Option<Instant>,
}

#[derive(Debug, Default)]
struct Shared {
    is_cancelled: Mutex<bool>,
    changed: Condvar,
}

/// A century, which clocks can count to: not so whatever `Pprof::max_seconds` allows.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Why work ended early, in Go's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Cancelled,
    DeadlinePassed,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "context canceled",
            Self::DeadlinePassed => "context deadline exceeded",
        })
    }
}

impl Cancellation {
    /// One that comes by itself at such a time: the answer is then `408 Request
    /// Timeout`.
    pub fn with_deadline(deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            ..Self::default()
        }
    }

    /// Ends the work: what waits returns at once, and nothing else is begun.
    pub fn cancel(&self) {
        *self.lock() = true;
        self.shared.changed.notify_all();
    }

    /// Whether [`cancel`](Self::cancel) was called, on any clone.
    pub fn is_cancelled(&self) -> bool {
        *self.lock()
    }

    /// Waits for so long, or says why not.
    pub(super) fn wait(&self, duration: Duration) -> Result<(), Ended> {
        let until = Instant::now() + duration.min(FOR_EVER);
        let end = self.deadline.map_or(until, |deadline| deadline.min(until));
        let mut is_cancelled = self.lock();
        while !*is_cancelled {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let in_time = self.deadline.is_none_or(|deadline| until < deadline);
                return if in_time {
                    Ok(())
                } else {
                    Err(Ended::DeadlinePassed)
                };
            }
            let waited = self.shared.changed.wait_timeout(is_cancelled, left);
            is_cancelled = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Err(Ended::Cancelled)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.shared
            .is_cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn waits_end_when_told_and_at_the_deadline() {
        let cancellation = Cancellation::default();
        assert_eq!(cancellation.wait(Duration::from_millis(1)), Ok(()));
        let other = cancellation.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(cancellation.wait(LONG), Err(Ended::Cancelled)));
            other.cancel();
        });
        assert!(cancellation.is_cancelled());

        assert_eq!(other.wait(Duration::MAX), Err(Ended::Cancelled));

        let past = Cancellation::with_deadline(Instant::now());
        assert_eq!(past.wait(LONG), Err(Ended::DeadlinePassed));
    }
}
