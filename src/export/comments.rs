#![forbid(unsafe_code)]
//! What a reader of a profile should know about its limits.

use crate::snapshot::Stats;

/// One line each; nothing about what did not happen.
pub(super) fn comments(stats: &Stats, problems: &[String]) -> Vec<String> {
    let mut comments = vec![format!(
        "heapprof: own memory {} bytes (limit {}), not part of the figures",
        stats.own_bytes, stats.own_bytes_limit
    )];
    let in_use = stats.in_use.confidence_interval_bytes();
    if stats.in_use.standard_error_bytes() > 0.0 {
        comments.push(format!(
            "heapprof: {} bytes in use, with 95 % confidence {} to {}",
            stats.in_use.bytes,
            in_use.start(),
            in_use.end()
        ));
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
