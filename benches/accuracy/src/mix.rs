//! The mixes.

use crate::numbers::Numbers;

/// A program in small.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// How it is called in tables.
    pub name: &'static str,
    /// Mean number of bytes between samples. Only sizes in proportion to it
    /// matter; where it is smaller than usual, so is what has to be allocated.
    pub interval: u64,
    /// Allocations in a run.
    pub objects: usize,
    /// Their sizes.
    pub sizes: Sizes,
    /// What is done with them.
    pub work: Work,
    /// Runs in proportion to those of other mixes.
    pub run_factor: u64,
}

/// A distribution of sizes.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    /// All the same.
    Fixed(usize),
    /// As many in each doubling, from the first size to the second.
    LogUniform(usize, usize),
    /// Half of them of at least 1.78 times the first size, and so on: P(S > s) =
    /// (first / s)^1.2. None larger than the second.
    Pareto(usize, usize),
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Keeps the latest half in use.
    Churn,
    /// The same, the interval being changed twice: by the thread itself, to four
    /// times as much, and by another thread, to half.
    ChangedInterval,
    /// Each object grows by doubling to its size, and half of them shrink again.
    Realloc,
    /// Threads that allocate 64 objects each, and leave half of them behind.
    ShortLivedThreads,
    /// Fills half of the room, and then goes on at random places: what was
    /// allocated meanwhile, and how much more is in use then?
    Growth,
}

/// Objects of each short-lived thread.
pub const OBJECTS_PER_THREAD: usize = 64;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Every mix, with names that say what is in it; R is the sample interval.
pub const MIXES: &[Mix] = &[
    mix("8 B", 4 * KIB, 102_400, Sizes::Fixed(8), Work::Churn),
    mix(
        "4 KiB",
        512 * KIB,
        25_600,
        Sizes::Fixed(4 * KIB),
        Work::Churn,
    ),
    mix(
        "R/4 to 4 R",
        512 * KIB,
        400,
        Sizes::LogUniform(128 * KIB, 2 * MIB),
        Work::Churn,
    ),
    mix("10 R", 512 * KIB, 200, Sizes::Fixed(5 * MIB), Work::Churn),
    mix(
        "mixed, R/1024 to 4 R",
        16 * KIB,
        20_000,
        Sizes::LogUniform(16, 64 * KIB),
        Work::Churn,
    ),
    mix(
        "heavy tail (Pareto)",
        16 * KIB,
        20_000,
        Sizes::Pareto(64, 4 * MIB),
        Work::Churn,
    ),
    mix(
        "short-lived threads",
        64 * KIB,
        100 * OBJECTS_PER_THREAD,
        Sizes::Fixed(KIB),
        Work::ShortLivedThreads,
    ),
    mix(
        "interval changed",
        16 * KIB,
        10_000,
        Sizes::LogUniform(128, 16 * KIB),
        Work::ChangedInterval,
    ),
    mix(
        "realloc",
        16 * KIB,
        4_000,
        Sizes::LogUniform(64, 32 * KIB),
        Work::Realloc,
    ),
    mix(
        "growth between snapshots",
        64 * KIB,
        8_000,
        Sizes::LogUniform(KIB, 8 * KIB),
        Work::Growth,
    ),
    Mix {
        run_factor: 8,
        ..mix(
            "few samples (8, 4 in use)",
            512 * KIB,
            1_024,
            Sizes::Fixed(4 * KIB),
            Work::Churn,
        )
    },
];

const fn mix(name: &'static str, interval: usize, objects: usize, sizes: Sizes, work: Work) -> Mix {
    Mix {
        name,
        interval: interval as u64,
        objects,
        sizes,
        work,
        run_factor: 1,
    }
}

impl Sizes {
    /// The next size.
    pub fn next(&self, numbers: &mut Numbers) -> usize {
        match *self {
            Self::Fixed(size) => size,
            Self::LogUniform(least, most) => {
                let ratio = most as f64 / least as f64;
                (least as f64 * ratio.powf(numbers.unit())) as usize
            }
            Self::Pareto(least, most) => {
                let size = least as f64 * (1.0 - numbers.unit()).powf(-1.0 / 1.2);
                (size as usize).min(most)
            }
        }
    }
}
