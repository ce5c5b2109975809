//! Sets of labels by number. Lock-free, insert-only, bounded.
//!
//! A set is one text: its labels in the order of their keys, every key and every
//! value with a NUL behind it. The same text has one number, so that a thread carries
//! a number and a node's key has one.
//!
//! # Atomic orderings
//! A set is stored under its number with Release and read with Acquire, then becomes a
//! member of its [`Chain`].

use core::ptr;

use super::arena::Arena;
use super::chain::{Chain, Linked};
use super::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// No labels.
pub(crate) const NONE: u32 = 0;

#[cfg(not(loom))]
const CHAINS: usize = 256;
#[cfg(loom)]
const CHAINS: usize = 1;

/// Sets that can be told apart, and bytes of their texts.
#[cfg(not(loom))]
const SETS: u32 = 4096;
#[cfg(loom)]
const SETS: u32 = 2;
const TEXT_BYTES: u64 = 512 << 10;
/// And so many more for those that stand for all others.
#[cfg(not(loom))]
const RESERVED_SETS: u32 = 256;
#[cfg(loom)]
const RESERVED_SETS: u32 = 1;
const RESERVED_TEXT_BYTES: u64 = 64 << 10;
const NUMBERS: usize = SETS as usize + RESERVED_SETS as usize;

// A node's key has 16 bits for the number of a thread's name.
const _: () = assert!(NUMBERS < u16::MAX as usize);

/// What a set may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Ordinary,
    /// Beyond the limit, for sets that stand for those that found no place.
    Reserved,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct LabelTable {
    chains: [Chain<LabelSet>; CHAINS],
    /// That of number 1 first.
    by_number: [AtomicPtr<LabelSet>; NUMBERS],
    /// Numbers given, and bytes of text.
    sets: AtomicU32,
    text_bytes: AtomicU64,
}

/// A published set.
#[derive(Debug)]
struct LabelSet {
    next: AtomicPtr<LabelSet>,
    number: u32,
    text: &'static [u8],
}

impl Linked for LabelSet {
    fn next(&self) -> &AtomicPtr<Self> {
        &self.next
    }
}

impl LabelTable {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            chains: [const { Chain::new() }; CHAINS],
            by_number: [const { AtomicPtr::new(ptr::null_mut()) }; NUMBERS],
            sets: AtomicU32::new(0),
            text_bytes: AtomicU64::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            chains: core::array::from_fn(|_| Chain::new()),
            by_number: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            sets: AtomicU32::new(0),
            text_bytes: AtomicU64::new(0),
        }
    }

    /// The number of a set, which gets one if it is new and there is room. Allocates
    /// from the arena alone.
    pub(crate) fn number(&self, text: &[u8], room: Room, arena: &Arena) -> Option<u32> {
        if text.is_empty() {
            return Some(NONE);
        }
        let chain = self.chains.get(hash(text) as usize % CHAINS)?;
        // One that is made in vain is nobody's, and its number too.
        let set = chain.find_or_add(|set| set.text == text, || self.make(text, room, arena))?;
        Some(set.number)
    }

    fn make(&self, text: &[u8], room: Room, arena: &Arena) -> Option<&'static LabelSet> {
        let (sets, text_bytes) = match room {
            Room::Ordinary => (SETS, TEXT_BYTES),
            Room::Reserved => (NUMBERS as u32, TEXT_BYTES.wrapping_add(RESERVED_TEXT_BYTES)),
        };
        // Relaxed, here and below: numbers that stand alone.
        let bytes = self
            .text_bytes
            .fetch_add(text.len() as u64, Ordering::Relaxed)
            .wrapping_add(text.len() as u64);
        let taken = self
            .sets
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < sets && bytes <= text_bytes).then(|| taken.wrapping_add(1))
            });
        let made = taken.ok().and_then(|taken| {
            let set = arena.place(LabelSet {
                next: AtomicPtr::new(ptr::null_mut()),
                number: taken.wrapping_add(1),
                text: arena.place_all(text)?,
            })?;
            // Release pairs with the Acquire in `text`.
            self.by_number
                .get(taken as usize)?
                .store(ptr::from_ref(set).cast_mut(), Ordering::Release);
            Some(set)
        });
        if made.is_none() {
            self.text_bytes
                .fetch_sub(text.len() as u64, Ordering::Relaxed);
        }
        made
    }

    /// The set's text. Empty for no set.
    pub(crate) fn text(&self, number: u32) -> &'static [u8] {
        let place = number
            .checked_sub(1)
            .and_then(|index| self.by_number.get(index as usize));
        // Acquire pairs with the Release in `make`.
        let set = place.map_or(ptr::null_mut(), |place| place.load(Ordering::Acquire));
        // SAFETY: null, or a set in the arena, which lasts for ever.
        unsafe { set.as_ref() }.map_or(&[], |set: &'static LabelSet| set.text)
    }

    /// How many sets there are.
    #[cfg(not(loom))]
    pub(crate) fn len(&self) -> u32 {
        self.sets.load(Ordering::Relaxed)
    }
}

/// FNV-1a (Fowler, Noll and Vo, 1991).
fn hash(text: &[u8]) -> u32 {
    text.iter().fold(0x811C_9DC5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn table() -> (Box<LabelTable>, Arena) {
        (Box::new(LabelTable::new()), Arena::new(16 << 20))
    }

    #[test]
    fn the_same_text_has_one_number_and_comes_back() {
        let (table, arena) = table();
        let number = |text: &str| table.number(text.as_bytes(), Room::Ordinary, &arena);
        assert_eq!((number(""), number("a\0b\0")), (Some(NONE), Some(1)));
        assert_eq!((number("a\0c\0"), number("a\0b\0")), (Some(2), Some(1)));
        assert_eq!(table.text(2), b"a\0c\0");
        assert_eq!((table.text(NONE), table.text(9)), (&b""[..], &b""[..]));
    }

    #[test]
    fn both_limits_hold_and_leave_the_reserve() {
        let (table, arena) = table();
        let number = |text: &str, room| table.number(text.as_bytes(), room, &arena);
        let made = (0..).take_while(|i| number(&format!("{i}"), Room::Ordinary).is_some());
        assert_eq!(made.count() as u32, SETS);
        assert_eq!(number("7", Room::Ordinary), Some(8), "known ones go on");
        assert!(number("others", Room::Reserved).is_some());

        let (table, arena) = self::table();
        let long = "x".repeat(2_000);
        let made = (0..).take_while(|i| {
            let text = format!("{i}{long}");
            let number = table.number(text.as_bytes(), Room::Ordinary, &arena);
            number.is_some()
        });
        assert_eq!(made.count() as u64, TEXT_BYTES / 2_003);
        let short = table.number(b"short", Room::Ordinary, &arena);
        assert!(short.is_some(), "what was refused takes nothing");
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    /// Two threads with the same set, and each with another: one number for each text,
    /// whose text is seen by whoever has the number.
    #[test]
    fn loom_one_number_per_set() {
        model(|| {
            let shared = Arc::new((LabelTable::new(), Arena::new(1000)));
            let number = |shared: &(LabelTable, Arena), text: &[u8]| {
                let number = shared.0.number(text, Room::Reserved, &shared.1);
                if let Some(number) = number {
                    assert_eq!(shared.0.text(number), text);
                }
                number
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || number(&shared, b"a"))
            };
            let mine = number(&shared, b"a");
            let theirs = other.join().unwrap();
            assert!(mine.is_some() && mine == theirs);
            assert_ne!(number(&shared, b"b"), mine);
        });
    }
}
