//! The stack table: stack -> what was allocated and freed there. Lock-free and
//! insert-only.
//!
//! A node is one stack with one size class, seen under one list of modules. It
//! is never removed, and its header never changes once published: a sampled
//! block points at its node for as long as it lives, and a profile may name
//! stacks whose memory is long gone.
//!
//! # Atomic orderings
//! - *Nodes* are published as members of their [`Chain`]; the header is then read as
//!   plain memory.
//! - *Frees before allocs.* A snapshot reads the frees first. A free happens
//!   after its allocation was counted, so the allocs read later include it and
//!   what is in use is never negative. Lifetimes are counted after the free, and
//!   read before both.

mod key;

#[cfg(not(loom))]
use core::mem::offset_of;
use core::ptr;

use super::arena::Arena;
use super::at_peak::{AtPeak, Held, KeptCounts};
use super::chain::{Chain, Linked};
use super::high_water::Mark;
use super::late::{Late, LateSlice};
use super::lifetimes::Lifetimes;
use super::sync::{AtomicPtr, AtomicU64};
use super::tally::{Sums, Tally};
pub(crate) use key::NodeKey;

#[cfg(not(loom))]
const CHAINS_LOG2: u32 = 16;
#[cfg(loom)]
const CHAINS_LOG2: u32 = 0;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct StackTable {
    chains: LateSlice<Chain<Node>>,
}

/// One stack and size class.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Node {
    /// Older nodes of the same chain.
    next: AtomicPtr<Node>,
    pub(crate) key: NodeKey<'static>,
    peak_counts: Late<KeptCounts>,
    // A cache line each: counting a sample takes neither the header from those who look
    // for it, nor the other tally.
    allocs: Tally,
    peak_status: AtomicU64,
    frees: Tally,
    pub(crate) lifetimes: Lifetimes,
}

// Three cache lines: tables of a million stacks are not rare.
#[cfg(not(loom))]
const _: () = assert!(size_of::<Node>() == 192 && offset_of!(Node, allocs) == 64);

/// A node's counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct NodeSums {
    pub(crate) allocs: Sums,
    pub(crate) frees: Sums,
    /// In use at the high-water mark of the total.
    pub(crate) at_peak: Sums,
    /// The counters moved during every attempt; made consistent.
    pub(crate) torn: bool,
}

impl Linked for Node {
    fn next(&self) -> &AtomicPtr<Self> {
        &self.next
    }
}

impl Node {
    /// Before anything is counted: keeps what was in use at a mark that the total has
    /// fallen below.
    #[inline(always)]
    pub(crate) fn keep_peak(&self, mark: Mark, arena: &Arena) {
        self.at_peak().keep(mark, || self.in_use(), arena);
    }

    /// What is in use; whole, unless samples are in flight.
    pub(crate) fn in_use(&self) -> Sums {
        let (frees, _) = self.frees.read();
        let (allocs, _) = self.allocs.read();
        allocs.without(&frees)
    }

    /// Counts a sampled allocation.
    pub(crate) fn add_alloc(&self, sums: &Sums) {
        self.allocs.add(sums);
    }

    /// Counts the free of a sampled block, by what was counted when it was allocated.
    pub(crate) fn add_free(&self, sums: &Sums) {
        self.frees.add(sums);
    }

    /// Counts how long a block had lived whose free was counted. False if there is no
    /// memory left to do so.
    #[must_use]
    pub(crate) fn add_lifetime(&self, nanoseconds: u64, sums: &Sums, arena: &Arena) -> bool {
        self.lifetimes.add(nanoseconds, sums, arena)
    }

    /// The counters, and what was in use at the mark.
    pub(crate) fn read(&self, mark: Mark) -> NodeSums {
        let (mut frees, frees_whole) = self.frees.read();
        let (allocs, allocs_whole) = self.allocs.read();
        let mut torn = !(frees_whole && allocs_whole);
        if torn {
            frees.limit_to(&allocs);
        }
        let in_use = allocs.without(&frees);
        let at_peak = match self.at_peak().read(mark) {
            Held::Kept(sums) => sums,
            Held::StillThere => in_use,
            Held::Unknown => {
                torn = true;
                in_use
            }
        };
        NodeSums {
            allocs,
            frees,
            at_peak,
            torn,
        }
    }

    fn at_peak(&self) -> AtPeak<'_> {
        AtPeak {
            status: &self.peak_status,
            counts: &self.peak_counts,
        }
    }
}

impl StackTable {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            chains: LateSlice::new(),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            chains: LateSlice::new(),
        }
    }

    /// Places the chains, so that threads that come later need not.
    pub(crate) fn prepare(&self, arena: &Arena) {
        self.chains.get_or_place(1 << CHAINS_LOG2, arena);
    }

    /// The node for `key`, made if it is new. `None` if there is no memory left
    /// for it.
    pub(crate) fn node(&self, key: &NodeKey<'_>, arena: &Arena) -> Option<&'static Node> {
        let hash = key.hash();
        let chains = self.chains.get_or_place(1 << CHAINS_LOG2, arena)?;
        let mask = (1_u64 << CHAINS_LOG2).wrapping_sub(1);
        let chain = chains.get((hash & mask) as usize)?;
        let is_it = |node: &Node| node.key == *key;
        chain.find_or_add(is_it, || {
            arena.place(Node {
                next: AtomicPtr::new(ptr::null_mut()),
                key: NodeKey {
                    stack: arena.place_all(key.stack)?,
                    ..*key
                },
                peak_counts: Late::new(),
                allocs: Tally::new(),
                peak_status: AtomicU64::new(0),
                frees: Tally::new(),
                lifetimes: Lifetimes::new(),
            })
        })
    }

    /// Every node, in no particular order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &'static Node> {
        let chains = self.chains.get().unwrap_or_default().iter();
        chains.flat_map(Chain::members)
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod tests;
