//! How much is in use altogether, and when that was most: the high-water mark.
//!
//! What every stack held at that moment is found without looking at one of them.
//! While the total is at its mark and rises, what a stack holds now is what it
//! holds at the mark, and nobody has anything to do. Once the total has fallen,
//! each stack keeps what it holds before it changes for the first time
//! ([`AtPeak`](super::at_peak)); one that has not changed still holds it. The next
//! rise above the mark makes all of that void at once, by a new number for the
//! mark.
//!
//! ```text
//!  total            ╭─╮ mark 2: rises, falls
//!          ╭╮      ╭╯ ╰─╮
//!        ╭─╯╰──╮ ╭─╯    ╰──   what changes here keeps what it held at mark 2
//!      ╭─╯     ╰─╯  and here, what it held at mark 1, until mark 2 is higher
//! ```
//!
//! The state is one word: how far the total is below the mark, whether it has
//! fallen since, and the mark's number. So every sample is before a rise or after
//! it, and before a fall or after it. What a thread counts in its stack's node
//! comes a moment later; what a peak says is therefore off by at most one sample for
//! each thread that was about to count one when the total began to fall. A single
//! thread's peak is exact.
//!
//! # Atomic orderings
//! The state's changes are ordered by their exchanges; Release and Acquire on them
//! bring along what the threads that fell and rose before knew. `reached_at` is for
//! reading, Relaxed. `nearby` is only ever raised, to numbers that marks have had.

use super::sync::{AtomicU64, Ordering};

/// Of the state's word, from the lowest bit on: has the total fallen since it was at
/// the mark; the end of the mark's number; bytes below the mark, which an address
/// space of 47 bits does not outgrow.
const FALLEN: u64 = 1;
const NUMBER_SHIFT: u32 = 1;
#[cfg(not(loom))]
const NUMBER_BITS: u32 = 16;
/// So few that models come round.
#[cfg(loom)]
const NUMBER_BITS: u32 = 3;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const BELOW_SHIFT: u32 = NUMBER_SHIFT + NUMBER_BITS;
const BELOW_LIMIT: u64 = u64::MAX >> BELOW_SHIFT;

/// `nearby` is brought up to a number that is so far from it.
const TOO_FAR: u64 = 1 << (NUMBER_BITS - 2);

/// Which of the marks that there have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(pub(crate) u64);

/// See the module's description. All zeros at first: at a mark of nothing.
#[derive(Debug)]
pub(crate) struct HighWater {
    state: AtomicU64,
    reached_at: AtomicU64,
    /// A mark's whole number, not far from the present one's, of which the state
    /// has no more than the end.
    nearby: AtomicU64,
}

/// The state, taken apart.
#[derive(Clone, Copy, Debug)]
struct State {
    below: u64,
    mark: Mark,
    has_fallen: bool,
}

impl State {
    fn word(self) -> u64 {
        let number = self.mark.0 & NUMBER_MASK;
        self.below.min(BELOW_LIMIT) << BELOW_SHIFT
            | number << NUMBER_SHIFT
            | u64::from(self.has_fallen)
    }

    /// At the next mark, which begins to rise.
    fn next_mark(self) -> Self {
        Self {
            below: 0,
            mark: Mark(self.mark.0.wrapping_add(1)),
            has_fallen: false,
        }
    }

    /// The mark's number is the one nearest to `nearby` that ends as the word says.
    fn of(word: u64, nearby: u64) -> Self {
        const UNUSED: u32 = u64::BITS - NUMBER_BITS;
        let ahead = (word >> NUMBER_SHIFT).wrapping_sub(nearby) << UNUSED;
        let ahead = ahead.cast_signed() >> UNUSED;
        Self {
            below: word >> BELOW_SHIFT,
            mark: Mark(nearby.wrapping_add_signed(ahead)),
            has_fallen: word & FALLEN != 0,
        }
    }
}

impl HighWater {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            reached_at: AtomicU64::new(0),
            nearby: AtomicU64::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            reached_at: AtomicU64::new(0),
            nearby: AtomicU64::new(0),
        }
    }

    /// So many bytes come. If the total stays below the mark: which mark that is,
    /// for the stack to keep what it held at it before it counts them.
    pub(crate) fn rise(&self, bytes: u64, now: u64) -> Option<Mark> {
        let after = self.change(|state| {
            if !state.has_fallen {
                return None;
            }
            Some(if bytes > state.below {
                state.next_mark()
            } else {
                State {
                    below: state.below.wrapping_sub(bytes),
                    ..state
                }
            })
        });
        if after.has_fallen {
            return Some(after.mark);
        }
        self.reached_at.store(now, Ordering::Relaxed);
        None
    }

    /// So many bytes go. The mark that the total is below now, as above.
    pub(crate) fn fall(&self, bytes: u64) -> Mark {
        let after = self.change(|state| {
            Some(State {
                below: state.below.saturating_add(bytes),
                has_fallen: true,
                ..state
            })
        });
        after.mark
    }

    /// Forgets the mark: it is where the total is now, and rises from there.
    pub(crate) fn reset(&self, now: u64) {
        self.change(|state| Some(state.next_mark()));
        self.reached_at.store(now, Ordering::Relaxed);
    }

    /// The latest mark.
    pub(crate) fn mark(&self) -> Mark {
        self.load().1.mark
    }

    /// When it was reached, by [`clock::now`](super::clock::now). 0 if it never was.
    pub(crate) fn reached_at(&self) -> u64 {
        self.reached_at.load(Ordering::Relaxed)
    }

    /// Replaces the state by what `to` makes of it, unless that is nothing. The state
    /// afterwards.
    fn change(&self, to: impl Fn(State) -> Option<State>) -> State {
        loop {
            let (word, before) = self.load();
            let Some(after) = to(before) else {
                return before;
            };
            let changed = self.state.compare_exchange_weak(
                word,
                after.word(),
                // AcqRel pairs with itself and with the Acquire in `load`.
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if changed.is_ok() {
                return after;
            }
        }
    }

    fn load(&self) -> (u64, State) {
        loop {
            let nearby = self.nearby.load(Ordering::Relaxed);
            // Acquire pairs with the exchange in `change`.
            let word = self.state.load(Ordering::Acquire);
            let state = State::of(word, nearby);
            if state.mark.0.saturating_sub(nearby) >= TOO_FAR {
                // Relaxed: raised before any number is twice as far away.
                self.nearby.fetch_max(state.mark.0, Ordering::Relaxed);
            } else if self.nearby.load(Ordering::Relaxed) == nearby {
                // No more than a few marks came while the two were read.
                return (word, state);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_rise_above_the_mark_makes_a_new_one_and_a_tie_does_not() {
        let water = HighWater::new();
        assert_eq!(water.rise(10, 1), None);
        assert_eq!(water.rise(5, 2), None, "still rising");
        assert_eq!((water.fall(4), water.fall(1)), (Mark(0), Mark(0)));
        assert_eq!(water.rise(5, 3), Some(Mark(0)), "as high as it was");
        assert_eq!((water.mark(), water.reached_at()), (Mark(0), 2));
        assert_eq!(water.fall(15), Mark(0));
        assert_eq!(water.rise(16, 4), None);
        assert_eq!((water.mark(), water.reached_at()), (Mark(1), 4));
    }

    #[test]
    fn a_reset_begins_where_the_total_is() {
        let water = HighWater::new();
        water.rise(100, 1);
        water.fall(70);
        water.reset(2);
        assert_eq!((water.mark(), water.reached_at()), (Mark(1), 2));
        assert_eq!(water.rise(1, 3), None, "31 is more than 30");
        assert_eq!(water.fall(1), Mark(1));
    }

    #[test]
    fn a_fall_beyond_what_the_word_holds_stays_at_its_end() {
        let water = HighWater::new();
        water.rise(u64::MAX, 1);
        water.fall(u64::MAX);
        assert_eq!(water.fall(1), Mark(0));
        assert_eq!(water.rise(BELOW_LIMIT, 2), Some(Mark(0)));
        assert_eq!(water.rise(1, 3), None);
    }

    #[test]
    fn marks_are_told_apart_for_ever() {
        let water = HighWater::new();
        for number in 0..300_000 {
            assert_eq!(water.rise(2, 1), None);
            assert_eq!(water.fall(1), Mark(number));
        }
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    /// Several times around the numbers that the word has a place for, each thread
    /// with rises that make a mark every time: nobody ever sees a mark twice.
    #[test]
    fn loom_marks_only_go_up() {
        model(|| {
            let water = Arc::new(HighWater::new());
            for number in 0..9 {
                water.rise(2, 1);
                assert_eq!(water.fall(1), Mark(number));
            }
            let climb = |water: &HighWater| {
                water.rise(100, 2);
                let mark = water.fall(50);
                assert!(mark >= Mark(9));
                mark
            };
            let other = {
                let water = Arc::clone(&water);
                thread::spawn(move || climb(&water))
            };
            let before = climb(&water);
            other.join().unwrap();
            assert!(water.mark() >= before && water.mark() <= Mark(10));
            let last = water.mark();
            assert_eq!(water.rise(101, 3), None);
            assert!(water.fall(1) > last);
        });
    }
}
