#![forbid(unsafe_code)]
//! What the CPU time goes to, as `go tool pprof` reads it.

use std::time::Duration;

use super::cancellation::{Cancellation, Ended};

/// Why there is no profile.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody waits for it any longer.
    #[cfg_attr(not(all(feature = "cpu", interrupts)), allow(dead_code))]
    Ended(Ended),
    NotEnabled(String),
}

/// Samples for so long and encodes what was found: a hundred samples in each second
/// of CPU time, as Go takes them.
#[cfg(all(feature = "cpu", interrupts))]
pub(super) fn profile(duration: Duration, cancellation: &Cancellation) -> Result<Vec<u8>, Failure> {
    use crate::interrupt::cpu;

    const PERIOD: Duration = Duration::from_millis(10);
    let sampled = cpu::sample(PERIOD, duration, |time| cancellation.wait(time));
    sampled
        .map(|time| encode::encode(&time, PERIOD))
        .map_err(|failure| match failure {
            cpu::Failure::Ended(ended) => Failure::Ended(ended),
            other => Failure::NotEnabled(other.to_string()),
        })
}

#[cfg(not(all(feature = "cpu", interrupts)))]
pub(super) fn profile(_: Duration, _: &Cancellation) -> Result<Vec<u8>, Failure> {
    let why = if cfg!(feature = "cpu") {
        "heapprof samples CPU time on Linux, x86-64 and aarch64, alone"
    } else {
        "the program was built without heapprof's feature \"cpu\""
    };
    Err(Failure::NotEnabled(why.to_owned()))
}

#[cfg(all(feature = "cpu", interrupts))]
mod encode {
    use std::time::Duration;

    use crate::export::kinds::{self, Kind, When};
    use crate::export::profile::{Label, Stack};
    use crate::interrupt::cpu::{CpuTime, Sampled};

    pub(super) fn encode(time: &CpuTime, period: Duration) -> Vec<u8> {
        let mut counts: Vec<(&Sampled, &u64)> = time.counts.iter().collect();
        counts.sort();
        let period_nanos = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX);
        let stacks = counts
            .into_iter()
            .map(|(sampled, &count)| {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                Stack {
                    frames: &sampled.stack.frames,
                    module_generation: sampled.stack.module_generation,
                    note: sampled.stack.end.note(),
                    labels: sampled
                        .thread
                        .iter()
                        .map(|name| Label::thread(name))
                        .collect(),
                    values: [count, count.saturating_mul(period_nanos)],
                }
            })
            .collect();
        let when = When {
            at: time.started_at,
            duration: Some(time.duration),
        };
        kinds::encode(Kind::Cpu { period }, when, stacks, comments(time, period))
    }

    fn comments(time: &CpuTime, period: Duration) -> Vec<String> {
        let samples: u64 = time.counts.values().sum();
        let seconds = period.as_secs_f64() * samples as f64;
        let mut comments = vec![format!(
            "samples of {seconds:.2} s of CPU time; by the kernel's account it was {:.2} s",
            time.used.as_secs_f64()
        )];
        if time.lost_samples != 0 {
            let lost = time.lost_samples;
            comments.push(format!("{lost} samples lost because too many came at once"));
        }
        comments
    }
}
