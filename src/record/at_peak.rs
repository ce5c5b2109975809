#![forbid(unsafe_code)]
//! What a stack held when the total was at its high-water mark, kept when it is
//! about to change for the first time after it (see
//! [`HighWater`](super::high_water)).
//!
//! Nobody may change a node's counts before what they were at the mark is kept, and
//! nobody may wait for the one who keeps it. So whoever comes meanwhile helps: reads
//! the counts, which cannot have changed yet, and writes what is not written.
//!
//! One word says for which mark counts are kept, whether all of them are, and a turn
//! that goes up by one each time. Every count is one word with the turn that it was
//! written in, and is written by exchange: once in a turn, by whoever is first. One
//! who comes too late, be it by hours, finds a word that is no longer what it was.
//! (A turn comes again after 65,536 times; a thread would have to sleep through all
//! of them between two instructions, and find the very count that it knew.)
//!
//! A count of 0 over a count of 0 is not written: where every allocation is sampled,
//! estimates have nothing beyond the samples, and no error.
//!
//! # Atomic orderings
//! The status is exchanged with Release once everything is written, and read with
//! Acquire: who sees that counts are kept sees them, and counts its own change
//! after them. A count that is exchanged with Release and read with Acquire brings
//! along that the status was at its turn or later.

use super::arena::Arena;
use super::high_water::Mark;
use super::late::Late;
use super::sampler::Variance;
use super::sync::{AtomicU64, Ordering};
use super::tally::Sums;

/// Of the status' word, from the lowest bit on: how far the turn is; the turn; the
/// mark's number and one, so that 0 is none.
const BEGUN: u64 = 0;
const KEPT: u64 = 1;
/// There was no memory to keep the counts in.
const LOST: u64 = 2;
const PHASE_MASK: u64 = 3;
const TURN_SHIFT: u32 = 2;
const TURN_BITS: u32 = 16;
const TURN_MASK: u64 = (1 << TURN_BITS) - 1;
const MARK_SHIFT: u32 = TURN_SHIFT + TURN_BITS;

/// Of a count's word: the turn below, the count above.
const COUNT_SHIFT: u32 = TURN_BITS;
const COUNT_LIMIT: u64 = u64::MAX >> COUNT_SHIFT;

/// For which mark counts are kept, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtPeak<'a> {
    pub(super) status: &'a AtomicU64,
    /// Nowhere as long as nothing was held at any mark.
    pub(super) counts: &'a Late<KeptCounts>,
}

/// See the module's description; in the order of [`to_counts`].
pub(super) type KeptCounts = [AtomicU64; COUNTS];

const COUNTS: usize = 6;

/// The status, taken apart. Later marks are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    mark: Option<Mark>,
    turn: u64,
    phase: u64,
}

impl Status {
    fn of(word: u64) -> Self {
        Self {
            mark: (word >> MARK_SHIFT).checked_sub(1).map(Mark),
            turn: word >> TURN_SHIFT & TURN_MASK,
            phase: word & PHASE_MASK,
        }
    }

    fn word(self) -> u64 {
        let mark = self.mark.map_or(0, |mark| mark.0.wrapping_add(1));
        mark << MARK_SHIFT | self.turn << TURN_SHIFT | self.phase
    }
}

/// What was held at a mark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Held {
    /// What is held now, or was held just before.
    StillThere,
    Kept(Sums),
    /// It moved during every attempt to read it, or there was no memory to keep it.
    Unknown,
}

/// A count and its turn.
fn word_of(count: u64, turn: u64) -> u64 {
    count.min(COUNT_LIMIT) << COUNT_SHIFT | turn
}

impl AtPeak<'_> {
    /// Keeps what `held` says as what was held at the mark, unless that is done.
    #[inline(always)]
    pub(super) fn keep(&self, mark: Mark, held: impl Fn() -> Sums, arena: &Arena) {
        while !self.is_over(mark) {
            self.take_turn(mark, &held, arena);
        }
    }

    /// Is the turn for this mark over, or a turn for a later mark begun?
    #[inline(always)]
    fn is_over(&self, mark: Mark) -> bool {
        // Acquire pairs with the Release in `end`: what the caller changes next comes
        // after it.
        let status = Status::of(self.status.load(Ordering::Acquire));
        match status.mark {
            Some(begun) if begun == mark => status.phase != BEGUN,
            begun => begun > Some(mark),
        }
    }

    #[cold]
    fn take_turn(&self, mark: Mark, held: &impl Fn() -> Sums, arena: &Arena) {
        let Some(turn) = self.begin(mark) else {
            return;
        };
        // After the turn began: from then on nobody changes anything without having
        // written this.
        let held = to_counts(&held());
        let Ok(words) = self.words_for(&held, arena) else {
            return self.end(turn, LOST);
        };
        for (word, count) in words.iter().zip(held) {
            self.write(word, count, turn);
        }
        self.end(turn, KEPT);
    }

    /// Begins the turn that is for this mark, or joins it.
    fn begin(&self, mark: Mark) -> Option<Status> {
        // Acquire: what was written in earlier turns is seen as written.
        let word = self.status.load(Ordering::Acquire);
        let status = Status::of(word);
        if status.mark >= Some(mark) {
            return (status.mark == Some(mark) && status.phase == BEGUN).then_some(status);
        }
        let turn = Status {
            mark: Some(mark),
            turn: status.turn.wrapping_add(1) & TURN_MASK,
            phase: BEGUN,
        };
        self.status
            // AcqRel: those who join see what this one has seen.
            .compare_exchange(word, turn.word(), Ordering::AcqRel, Ordering::Relaxed)
            .ok()
            .map(|_| turn)
    }

    /// The words for the counts: none if there never was anything to write.
    fn words_for(&self, held: &[u64; COUNTS], arena: &Arena) -> Result<&'static [AtomicU64], ()> {
        let known = self.words();
        if !known.is_empty() || held.iter().all(|&count| count == 0) {
            return Ok(known);
        }
        let placed = self.counts.get_or_place(arena).ok_or(())?;
        Ok(placed)
    }

    fn write(&self, word: &AtomicU64, count: u64, turn: Status) {
        // Acquire pairs with the Release below: a word of a later turn says that this
        // one is over.
        let before = word.load(Ordering::Acquire);
        let is_written = before & TURN_MASK == turn.turn;
        let is_zero_still = count == 0 && before >> COUNT_SHIFT == 0;
        if is_written || is_zero_still || self.status.load(Ordering::Acquire) != turn.word() {
            return;
        }
        let after = word_of(count, turn.turn);
        // An exchange that fails was made by another for the same turn, or comes too
        // late for it.
        let _ = word.compare_exchange(before, after, Ordering::Release, Ordering::Relaxed);
    }

    fn end(&self, turn: Status, phase: u64) {
        let over = Status { phase, ..turn };
        // Release pairs with the Acquire in `is_over` and `read`. If it fails, another
        // has ended the turn.
        let _ = self.status.compare_exchange(
            turn.word(),
            over.word(),
            Ordering::Release,
            Ordering::Relaxed,
        );
    }

    /// What was held at the mark. To be asked after what is held now was read: if
    /// nothing is kept afterwards, nothing had changed.
    pub(super) fn read(&self, mark: Mark) -> Held {
        // To keep it takes less than a microsecond, unless a thread is held up in it.
        const ATTEMPTS: u32 = if cfg!(loom) { 1 } else { 100 };
        for _ in 0..ATTEMPTS {
            // Acquire pairs with the Release in `end`.
            let word = self.status.load(Ordering::Acquire);
            let status = Status::of(word);
            if status.mark != Some(mark) {
                return Held::StillThere;
            }
            match status.phase {
                BEGUN => continue,
                KEPT => {}
                _ => return Held::Unknown,
            }
            let counts = self.read_counts(status.turn);
            // Relaxed: a count of a later turn brought its status along.
            if self.status.load(Ordering::Relaxed) == word {
                return Held::Kept(of_counts(counts));
            }
        }
        Held::Unknown
    }

    fn read_counts(&self, turn: u64) -> [u64; COUNTS] {
        let mut counts = [0; COUNTS];
        for (count, word) in counts.iter_mut().zip(self.words()) {
            // Acquire pairs with the Release in `write`.
            let word = word.load(Ordering::Acquire);
            if word & TURN_MASK == turn {
                *count = word >> COUNT_SHIFT;
            }
        }
        counts
    }

    /// None as long as there never was anything to write.
    fn words(&self) -> &'static [AtomicU64] {
        self.counts.get().map_or(&[], <[_; COUNTS]>::as_slice)
    }
}

/// A variance loses the end of its fraction: it is right to 36 bits.
fn to_counts(sums: &Sums) -> [u64; COUNTS] {
    let (objects, bytes) = sums.beyond_samples();
    [
        sums.samples,
        sums.sampled_bytes,
        objects,
        bytes,
        sums.variance.objects.to_bits() >> COUNT_SHIFT,
        sums.variance.bytes.to_bits() >> COUNT_SHIFT,
    ]
}

fn of_counts(
    [samples, sampled_bytes, objects, bytes, of_objects, of_bytes]: [u64; COUNTS],
) -> Sums {
    Sums::of_parts(
        samples,
        sampled_bytes,
        (objects, bytes),
        Variance {
            objects: f64::from_bits(of_objects << COUNT_SHIFT),
            bytes: f64::from_bits(of_bytes << COUNT_SHIFT),
        },
    )
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod tests;
