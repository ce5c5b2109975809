#![forbid(unsafe_code)]
//! What a reader of a profile should know about its limits.

use std::time::{Duration, SystemTime};

use super::View;
use super::units::{readable_bytes, readable_error};
use crate::counts::Counts;
use crate::snapshot::Stats;

/// One line each; nothing about what did not happen. Of a difference there is a
/// duration.
pub(super) fn comments(
    stats: &Stats,
    view: View,
    (taken_at, duration): (SystemTime, Option<Duration>),
    problems: &[String],
) -> Vec<String> {
    let mut comments = vec![format!(
        "heapprof: own memory {} bytes (limit {}), not part of the figures",
        stats.own_bytes, stats.own_bytes_limit
    )];
    match (view, duration) {
        (View::InUse | View::Allocs, None) => comments.push(estimate("in use", &stats.in_use)),
        (_, Some(_)) => comments.push(growth(&stats.in_use)),
        (View::Peak, None) => comments.extend(peak(stats, taken_at)),
    }
    let counted = [
        (
            stats.lost_samples,
            format!(
                "samples lost because a table or the memory limit was full (about {} bytes, under \
                 [lost] in the allocations; missing from what is in use)",
                stats.lost_bytes
            ),
        ),
        (
            stats.too_deep_stacks,
            "samples deeper than 128 frames: the outermost are missing".into(),
        ),
        (
            stats.cut_stacks,
            "samples whose stack was cut where the next frame was uncertain".into(),
        ),
        (stats.missing_stacks, "samples without a stack".into()),
        (
            stats.refused_labels,
            "times there was no room for another set of labels: [other] stands for them".into(),
        ),
        (
            stats.unknown_lifetimes,
            "frees without a lifetime, because the memory limit was reached".into(),
        ),
        (
            stats.foreign_frees,
            "sampled blocks were freed by something other than the allocator".into(),
        ),
        (
            stats.torn_reads,
            "records changed during every attempt to read them".into(),
        ),
    ];
    for (count, what) in counted {
        if count > 0 {
            comments.push(format!("heapprof: {count} {what}"));
        }
    }
    if stats.invalid_environment {
        comments.push(
            "heapprof: HEAPPROF_SAMPLE_INTERVAL was not a number of bytes and was ignored".into(),
        );
    }
    if stats.unreadable_environment {
        comments.push(
            "heapprof: /proc/self/environ could not be read; HEAPPROF_SAMPLE_INTERVAL did not count"
                .into(),
        );
    }
    comments.extend(
        problems
            .iter()
            .map(|p| format!("heapprof: no names from {p}")),
    );
    comments
}

/// With its error, if it has one.
fn estimate(what: &str, counts: &Counts) -> String {
    let estimate = format!("heapprof: {what} {}", readable_bytes(counts.bytes));
    match readable_error(counts) {
        Some(error) => format!("{estimate} {error}"),
        None => estimate,
    }
}

fn growth(change: &Counts) -> String {
    let side = if change.is_beyond_noise() {
        "beyond"
    } else {
        "within"
    };
    format!(
        "{}: {side} the noise",
        estimate("in use changed by", change)
    )
}

fn peak(stats: &Stats, taken_at: SystemTime) -> Option<String> {
    let at = stats.peak_at?;
    let ago = taken_at.duration_since(at).unwrap_or_default();
    let what = format!(
        "at its peak, {:.2} s before this profile, in use",
        ago.as_secs_f64()
    );
    Some(estimate(&what, &stats.in_use_at_peak))
}
