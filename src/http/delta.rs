#![forbid(unsafe_code)]
//! What changes in a profile over some seconds.

use std::time::Duration;

use http::StatusCode;

use super::answer::{self, Answer};
use super::cancellation::{Cancellation, Ended};
use super::named::{self, CollectError, Named};

/// Collects a profile twice and answers the difference.
pub(super) fn answer(named: Named, seconds: u64, cancellation: &Cancellation) -> Answer {
    match collect(named, Duration::from_secs(seconds), cancellation) {
        Ok(profile) => answer::profile(&format!("{}-delta", named.name()), profile),
        Err(Failure::Ended(ended)) => ended_early(ended),
        Err(Failure::Collecting(error)) => named::cannot_collect(&*error),
    }
}

/// Nobody waits for the answer any longer.
pub(super) fn ended_early(ended: Ended) -> Answer {
    let status = match ended {
        Ended::Cancelled => StatusCode::INTERNAL_SERVER_ERROR,
        Ended::DeadlinePassed => StatusCode::REQUEST_TIMEOUT,
    };
    answer::error(status, &ended.to_string())
}

enum Failure {
    Ended(Ended),
    Collecting(CollectError),
}

impl From<CollectError> for Failure {
    fn from(error: CollectError) -> Self {
        Self::Collecting(error)
    }
}

fn collect(
    named: Named,
    duration: Duration,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Failure> {
    let earlier = named.collect()?;
    cancellation.wait(duration).map_err(Failure::Ended)?;
    let later = named.collect()?;
    Ok(later.since(&earlier).to_profile())
}
