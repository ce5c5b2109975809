#![forbid(unsafe_code)]
//! `leaks`: what has been in use for longer than it should, by how much of it grew.

use std::time::Duration;

use super::answer::{self, Answer};
use super::named;
use super::query::Query;
use super::respond::bad_request;
use crate::ages::Ages;
use crate::amounts;
use crate::dump::dump_leaks;
use crate::export::text::leaks_text;
use crate::snapshot::Snapshot;

/// The route.
pub(super) const NAME: &str = "leaks";

/// Unless `older` says it.
const OLDER: Duration = Duration::from_secs(600);

/// The profile, or text (`debug`).
pub(super) fn answer(query: &Query) -> Answer {
    if query.seconds().is_some() {
        return bad_request("\"seconds\" parameter is not supported for this profile type");
    }
    let Some(older) = older(query) else {
        return bad_request(
            "invalid value for \"older\" - must be a time such as 10m (units: ms, s, m, h)",
        );
    };
    let made = match query.debug() {
        0 => dump_leaks(older).map(|bytes| answer::profile(NAME, bytes)),
        _ => Snapshot::take().map(|snapshot| answer::text(leaks_text(&snapshot, older))),
    };
    made.unwrap_or_else(|error| named::cannot_collect(&error))
}

/// Nothing if it is no time, or none passes in it.
fn older(query: &Query) -> Option<Duration> {
    match query.first("older") {
        None => Some(OLDER),
        Some(text) => amounts::time(&text).filter(|older| !older.is_zero()),
    }
}

/// How many records it has.
pub(super) fn count() -> u64 {
    Ages::collect(|age| (age >= OLDER).then_some(OLDER)).count() as u64
}
