//! Accounts: what the work of one measured closure allocates and still holds, to
//! the object and the byte.
//!
//! A thread that works for an account has each of its allocations sampled, with a
//! weight of one. The account is part of the stack table's key, so that its stacks
//! are its own, and so that a free finds it, on whichever thread: a block is charged
//! to the account that it was allocated for, and to those around that one.
//!
//! An account is used again when nobody works for it or for one around it any more,
//! and no block of it is left. Its stacks are then used again too, which bounds the
//! memory of a program that measures for ever.
//!
//! # Atomic orderings
//! - *Opening* is an Acquire exchange of `users` and pairs with the Release that
//!   closed the account: the former owner is done with it.
//! - *The last block* of an account may be freed by any thread. It counts the free in
//!   the block's node, then lowers `live_objects` with Release, which pairs with the
//!   Acquire of who opens the account again: that one sees the free in the node. What
//!   the free does to an account comes after it read which is around it, and the block
//!   still counts there: neither can be used again meanwhile.
//! - The rest is Relaxed: sums that stand alone. Who reads them is the owner, after it
//!   joined those who worked for it; if it did not, their figures are a moment's.

use super::arena::{Arena, Zeroed};
use super::late::LateSlice;
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// Work for no account.
pub(crate) const NONE: u32 = 0;

/// The first chunk has so many accounts, each further one twice those of the one before.
#[cfg(not(loom))]
const FIRST_CHUNK_LOG2: u32 = 6;
#[cfg(loom)]
const FIRST_CHUNK_LOG2: u32 = 0;
/// A quarter of a million accounts.
#[cfg(not(loom))]
const CHUNKS: usize = 12;
#[cfg(loom)]
const CHUNKS: usize = 2;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Accounts {
    chunks: [LateSlice<Account>; CHUNKS],
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Account {
    /// Those who work for it, and open accounts inside it. 0: closed.
    users: AtomicU32,
    /// The account around it.
    outer: AtomicU32,
    allocations: AtomicU64,
    allocated_bytes: AtomicU64,
    live_objects: AtomicU64,
    live_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    /// Allocations that could not be recorded.
    lost: AtomicU64,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Account>() == 64);

// SAFETY: made of atomics, for which zero bytes are a value.
unsafe impl Zeroed for Account {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Self {
            users: AtomicU32::new(0),
            outer: AtomicU32::new(NONE),
            allocations: AtomicU64::new(0),
            allocated_bytes: AtomicU64::new(0),
            live_objects: AtomicU64::new(0),
            live_bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }
}

/// An account's sums at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) allocations: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) live_objects: u64,
    pub(crate) live_bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) lost: u64,
}

impl Accounts {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            chunks: [const { LateSlice::new() }; CHUNKS],
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            chunks: core::array::from_fn(|_| LateSlice::new()),
        }
    }

    /// Opens an account inside `outer`, for which the caller works, or inside none.
    /// `None` if there is no memory left for it.
    pub(crate) fn open(&self, outer: u32, arena: &Arena) -> Option<u32> {
        let mut first_id = 1_u32;
        for (number, chunk) in self.chunks.iter().enumerate() {
            let len = chunk_len(number);
            for (id, account) in (first_id..).zip(chunk.get_or_place(len as usize, arena)?) {
                if self.try_open(account) {
                    account.begin(outer);
                    self.join(outer);
                    return Some(id);
                }
            }
            first_id = first_id.saturating_add(len);
        }
        None
    }

    fn try_open(&self, account: &Account) -> bool {
        // Acquire pairs with the Release in `leave`.
        let is_closed = account
            .users
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        // Acquire pairs with the Release in `credit`.
        let is_free = is_closed
            && account.live_objects.load(Ordering::Acquire) == 0
            && self
                .outwards(account.outer.load(Ordering::Relaxed))
                .all(|(_, outer)| outer.users.load(Ordering::Relaxed) == 0);
        if is_closed && !is_free {
            account.users.fetch_sub(1, Ordering::Release);
        }
        is_free
    }

    /// Keeps an account open for one more; asked by one who keeps it open already.
    pub(crate) fn join(&self, id: u32) {
        if let Some(account) = self.get(id) {
            account.users.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Undoes one `join`, or the opening. The last one closes it.
    pub(crate) fn leave(&self, id: u32) {
        if let Some(account) = self.get(id) {
            // Before it may be used again.
            let outer = account.outer.load(Ordering::Relaxed);
            // Release pairs with the Acquire in `try_open`.
            if account.users.fetch_sub(1, Ordering::Release) == 1 {
                self.leave(outer);
            }
        }
    }

    /// Charges an allocation that is recorded.
    pub(crate) fn charge(&self, id: u32, bytes: u64) {
        for (_, account) in self.outwards(id) {
            account.allocations.fetch_add(1, Ordering::Relaxed);
            account.allocated_bytes.fetch_add(bytes, Ordering::Relaxed);
            account.live_objects.fetch_add(1, Ordering::Relaxed);
            let before = account.live_bytes.fetch_add(bytes, Ordering::Relaxed);
            let now = before.wrapping_add(bytes);
            account.peak_bytes.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Credits the free of a block that was charged.
    pub(crate) fn credit(&self, id: u32, bytes: u64) {
        for (_, account) in self.outwards(id) {
            account.live_bytes.fetch_sub(bytes, Ordering::Relaxed);
            // Release pairs with the Acquire in `try_open`.
            account.live_objects.fetch_sub(1, Ordering::Release);
        }
    }

    /// Counts an allocation that could not be recorded.
    pub(crate) fn lose(&self, id: u32) {
        for (_, account) in self.outwards(id) {
            account.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn balance(&self, id: u32) -> Balance {
        self.get(id).map_or_else(Balance::default, |account| {
            let load = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
            Balance {
                allocations: load(&account.allocations),
                allocated_bytes: load(&account.allocated_bytes),
                live_objects: load(&account.live_objects),
                live_bytes: load(&account.live_bytes),
                peak_bytes: load(&account.peak_bytes),
                lost: load(&account.lost),
            }
        })
    }

    /// Is what `id` is charged with charged to `outer` as well?
    pub(crate) fn is_within(&self, id: u32, outer: u32) -> bool {
        self.outwards(id).any(|(id, _)| id == outer)
    }

    /// An account and those around it.
    fn outwards(&self, id: u32) -> impl Iterator<Item = (u32, &'static Account)> {
        let step = |id| {
            let account = self.get(id)?;
            // Relaxed: set by who opened it. Read before the account is given to the
            // caller, who may let it be used again.
            Some((id, account, account.outer.load(Ordering::Relaxed)))
        };
        core::iter::successors(step(id), move |&(_, _, outer)| step(outer))
            .map(|(id, account, _)| (id, account))
    }

    fn get(&self, id: u32) -> Option<&'static Account> {
        // Chunks double, so the number's highest bit tells which one.
        let position = id.checked_sub(1)?.checked_add(1 << FIRST_CHUNK_LOG2)?;
        let chunk = position.checked_ilog2()?.checked_sub(FIRST_CHUNK_LOG2)?;
        let at = position.checked_sub(chunk_len(chunk as usize))?;
        self.chunks.get(chunk as usize)?.get()?.get(at as usize)
    }
}

impl Account {
    /// By the one user that it has. Nothing is live.
    fn begin(&self, outer: u32) {
        // Relaxed: whoever else comes to know of it learns it from this user.
        self.outer.store(outer, Ordering::Relaxed);
        for sum in [
            &self.allocations,
            &self.allocated_bytes,
            &self.peak_bytes,
            &self.lost,
        ] {
            sum.store(0, Ordering::Relaxed);
        }
    }
}

fn chunk_len(number: usize) -> u32 {
    (1_u32 << FIRST_CHUNK_LOG2).wrapping_shl(number as u32)
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod tests;
