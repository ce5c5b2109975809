#![forbid(unsafe_code)]
//! What changes in a profile over some seconds.

use std::time::Duration;

use http::StatusCode;

use super::answer::{self, Answer};
use super::cancellation::{Cancellation, Ended};
use super::named::{self, Named};
use crate::error::Error;

/// Collects a profile twice and answers the difference.
pub(super) fn answer(named: Named, seconds: u64, cancellation: &Cancellation) -> Answer {
    match collect(named, Duration::from_secs(seconds), cancellation) {
        Ok(profile) => answer::profile(&format!("{}-delta", named.name()), profile),
        Err(Failure::Ended(ended @ Ended::Cancelled)) => {
            answer::error(StatusCode::INTERNAL_SERVER_ERROR, &ended.to_string())
        }
        Err(Failure::Ended(ended @ Ended::DeadlinePassed)) => {
            answer::error(StatusCode::REQUEST_TIMEOUT, &ended.to_string())
        }
        Err(Failure::Collecting(error)) => named::cannot_collect(&error),
    }
}

enum Failure {
    Ended(Ended),
    Collecting(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
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
    Ok(later.since(&earlier).to_profile()?)
}
