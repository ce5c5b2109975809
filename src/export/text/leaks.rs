#![forbid(unsafe_code)]
//! What may be a leak as text, for people: `leaks?debug=1`.

use std::cmp::Reverse;
use std::time::Duration;

use super::write_stack;
use crate::export::Symbols;
use crate::export::ages::{Survivors, survivors};
use crate::export::profile::{Sample, Values};
use crate::snapshot::Snapshot;

/// What has been in use for `older` or longer, what grew most first: objects and bytes
/// that grew, and in brackets all that are that old. The caller is busy.
pub(crate) fn leaks_text(snapshot: &Snapshot, older: Duration) -> String {
    let profile = survivors(snapshot, older, Symbols::Full);
    let mut samples: Vec<&Sample<Survivors>> = profile.samples.iter().collect();
    samples.sort_by_key(|sample| {
        let Survivors { all, recent } = &sample.values;
        Reverse((recent.bytes, all.bytes))
    });
    let total = samples
        .iter()
        .fold(Survivors::default(), |sum, sample| sum.plus(&sample.values));
    let seconds = older.as_secs_f64();
    let mut text = format!("leaks profile: {} older/{seconds}s\n", figures(&total));
    for sample in samples {
        text += &figures(&sample.values);
        let locations = sample.locations.iter().map(|id| &profile.locations[id.0]);
        // Writing to a string cannot fail.
        let _ = write_stack(&mut text, &profile, locations);
    }
    text
}

fn figures(Survivors { all, recent }: &Survivors) -> String {
    let (grown, objects) = (recent.objects(), all.objects());
    format!("{grown}: {} [{objects}: {}] @", recent.bytes, all.bytes)
}
