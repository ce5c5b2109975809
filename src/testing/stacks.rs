#![forbid(unsafe_code)]
//! The stacks behind a report's figures, as text.

use std::cmp::Reverse;
use std::{env, fmt, iter};

use rustc_hash::FxHashMap;

use super::report::counted;
use crate::export::heap::Memory;
use crate::export::owner::{Owner, owner};
use crate::export::profile::{LocationId, Profile, Values};
use crate::export::{Symbols, View};
use crate::record::thread;
use crate::snapshot::Snapshot;

/// So many stacks are shown, and so many frames of each.
const STACKS: usize = 5;
const FRAMES: usize = 16;

/// Code of this module begins with it. What called the closure is the same for every
/// stack, and not shown.
const MEASURING: &str = "heapprof::testing::";

/// What makes one stack come before another, and how much of it there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    Allocations,
    AllocatedBytes,
    Leaked,
}

impl Rank {
    fn of(self, memory: &Memory) -> i64 {
        match self {
            Self::Allocations => memory.allocated.objects(),
            Self::AllocatedBytes => memory.allocated.bytes,
            Self::Leaked => memory.in_use.bytes,
        }
    }

    /// Blocks and bytes.
    fn figures(self, memory: &Memory) -> (i64, i64) {
        let counts = match self {
            Self::Allocations | Self::AllocatedBytes => &memory.allocated,
            Self::Leaked => &memory.in_use,
        };
        (counts.objects(), counts.bytes)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Allocations | Self::AllocatedBytes => "Allocated there:",
            Self::Leaked => "Left of what was allocated there:",
        }
    }
}

/// The stacks with most, and their figures.
#[derive(Debug)]
pub(super) struct Stacks {
    rank: Rank,
    /// As text, innermost call first; the stack with most comes first.
    shown: Vec<(Memory, Vec<String>)>,
    /// How many more there are.
    more: usize,
}

impl Stacks {
    pub(super) fn new(snapshot: &Snapshot, rank: Rank) -> Self {
        let _busy = thread::busy();
        let profile = Profile::of_heap(snapshot, View::InUse, Symbols::Full);
        let mut stacks: Vec<(&[LocationId], Memory)> = Vec::new();
        let mut positions = FxHashMap::default();
        for sample in &profile.samples {
            // The same stack comes once for each size class.
            let key = &*sample.locations;
            let position = *positions.entry(key).or_insert(stacks.len());
            match stacks.get_mut(position) {
                Some((_, memory)) => *memory = memory.plus(&sample.values),
                None => stacks.push((key, sample.values)),
            }
        }
        stacks.retain(|(_, memory)| rank.of(memory) > 0);
        // Stable: equals stay in the profile's order, which is always the same.
        stacks.sort_by_key(|(_, memory)| Reverse(rank.of(memory)));
        let here = env::current_dir().unwrap_or_default();
        let here = here.to_string_lossy();
        let more = stacks.len().saturating_sub(STACKS);
        stacks.truncate(STACKS);
        Self {
            rank,
            shown: stacks
                .into_iter()
                .map(|(locations, memory)| (memory, frames(&profile, locations, &here)))
                .collect(),
            more,
        }
    }
}

/// The calls of a stack up to the closure, a line of text each. Of calls inside the
/// standard library the outermost, which is the one that the program made.
fn frames(profile: &Profile<Memory>, locations: &[LocationId], here: &str) -> Vec<String> {
    let mut frames: Vec<Frame> = Vec::new();
    for location in locations.iter().map(|id| &profile.locations[id.0]) {
        if location.lines.is_empty() {
            frames.push(Frame {
                text: format!("{:#x}", location.address),
                is_users: true,
            });
        }
        for line in &location.lines {
            let function = &profile.functions[line.function.0];
            // Where nothing but symbols is known, the closure's frame may be this one.
            if function.name.starts_with(MEASURING) && !frames.is_empty() {
                return texts(&frames);
            }
            let is_users = owner(&function.name, &function.file) == Owner::User;
            let mut text = function.name.to_string();
            if is_users && line.line > 0 && !function.file.is_empty() {
                text += &format!(" at {}:{}", from_here(&function.file, here), line.line);
            }
            frames.pop_if(|inner| !inner.is_users && !is_users);
            frames.push(Frame { text, is_users });
        }
    }
    texts(&frames)
}

struct Frame {
    text: String,
    /// Not the standard library's.
    is_users: bool,
}

fn texts(frames: &[Frame]) -> Vec<String> {
    let left = frames.len().saturating_sub(FRAMES);
    let rest = (left > 0).then(|| format!("... and {}", counted(left as u64, "more call")));
    let shown = frames.iter().take(FRAMES).map(|frame| frame.text.clone());
    shown.chain(rest).collect()
}

/// A path as one would type it: Cargo runs tests where their package is.
fn from_here<'a>(file: &'a str, here: &str) -> &'a str {
    file.strip_prefix(here)
        .and_then(|rest| rest.strip_prefix('/'))
        .filter(|_| !here.is_empty())
        .unwrap_or(file)
}

impl fmt::Display for Stacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shown.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\n\n{}\n{:>8} {:>12}",
            self.rank.title(),
            "blocks",
            "bytes"
        )?;
        for (memory, frames) in &self.shown {
            let (blocks, bytes) = self.rank.figures(memory);
            let figures = format!("{blocks:>8} {bytes:>12}");
            let margin = " ".repeat(figures.len());
            for (frame, margin) in frames
                .iter()
                .zip(iter::once(&figures).chain(iter::repeat(&margin)))
            {
                write!(f, "\n{margin}  {frame}")?;
            }
        }
        if self.more > 0 {
            write!(f, "\n... and {}", counted(self.more as u64, "more stack"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::{module, record, snapshot};

    fn stacks(rank: Rank) -> String {
        let snapshot = snapshot(
            vec![
                record(0, &[0x5100, 0x5200], 8, 100, 1),
                record(1, &[0x5100, 0x5200], 64, 1, 1),
                record(2, &[0x5300], 1024, 1, 0),
            ],
            vec![module("/usr/bin/app", 0x5000, 0x6000)],
        );
        Stacks::new(&snapshot, rank).to_string()
    }

    #[test]
    fn the_stack_with_most_comes_first_and_size_classes_add_up() {
        let calls = |figures: &str| format!("{figures}  0x5100\n{:23}0x5200", "");
        let (first, second) = (
            calls("     101          864"),
            "       1         1024  0x5300",
        );
        let title = "\n\nAllocated there:\n  blocks        bytes\n";
        assert_eq!(
            stacks(Rank::Allocations),
            format!("{title}{first}\n{second}")
        );
        assert_eq!(
            stacks(Rank::AllocatedBytes),
            format!("{title}{second}\n{first}")
        );
        let left = calls("       2           72");
        let title = "\n\nLeft of what was allocated there:\n  blocks        bytes\n";
        assert_eq!(stacks(Rank::Leaked), format!("{title}{left}"));
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let deep: Vec<u64> = (0..20).map(|i| 0x5000 + i * 16).collect();
        let records = (0..7).map(|i| record(i, &deep[i..], 8, 1, 1)).collect();
        let snapshot = snapshot(records, vec![module("/usr/bin/app", 0x5000, 0x6000)]);
        let text = Stacks::new(&snapshot, Rank::Allocations).to_string();
        assert!(text.contains("... and 4 more calls\n"), "{text}");
        assert!(text.contains("... and 1 more call\n"), "{text}");
        assert!(text.ends_with("\n... and 2 more stacks"), "{text}");
    }

    #[test]
    fn paths_are_told_from_here() {
        assert_eq!(
            from_here("/home/me/app/src/a.rs", "/home/me/app"),
            "src/a.rs"
        );
        assert_eq!(
            from_here("/home/me/app2/a.rs", "/home/me/app"),
            "/home/me/app2/a.rs"
        );
        assert_eq!(from_here("/a.rs", ""), "/a.rs");
    }
}
