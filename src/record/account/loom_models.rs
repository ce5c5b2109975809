//! Accounts under every interleaving with few preemptions.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::record::sync::model;

/// What is known of an account's stacks: who frees adds to it, who opens the account
/// reads it.
struct World {
    accounts: Accounts,
    arena: Arena,
    freed: UnsafeCell<u32>,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            accounts: Accounts::new(),
            arena: Arena::new(1000),
            freed: UnsafeCell::new(0),
        })
    }

    fn open(&self) -> u32 {
        self.accounts.open(NONE, &self.arena).unwrap()
    }
}

/// The last block is freed elsewhere, after the closure has ended: who gets the account
/// next sees that free, and one who comes earlier gets another account.
#[test]
fn loom_an_account_that_is_used_again_is_seen_whole() {
    model(|| {
        let world = World::new();
        let first = world.open();
        world.accounts.charge(first, 8);
        let free = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                // SAFETY: who reads it does so after the credit; loom reports any overlap.
                world.freed.with_mut(|freed| unsafe { *freed += 1 });
                world.accounts.credit(first, 8);
            })
        };
        world.accounts.leave(first);
        if world.open() == first {
            // SAFETY: as above.
            world.freed.with(|freed| assert_eq!(unsafe { *freed }, 1));
            assert_eq!(world.accounts.balance(first), Balance::default());
        }
        free.join().unwrap();
    });
}

/// Two measure at once, each its own.
#[test]
fn loom_no_account_is_opened_twice() {
    model(|| {
        let world = World::new();
        let measure = |world: &World| {
            let id = world.open();
            world.accounts.charge(id, 8);
            let balance = world.accounts.balance(id);
            assert_eq!((balance.allocations, balance.live_bytes), (1, 8));
            world.accounts.credit(id, 8);
            world.accounts.leave(id);
        };
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || measure(&world))
        };
        measure(&world);
        other.join().unwrap();
    });
}

/// Work shared by two: the peak is what both had at once, in one order or another.
#[test]
fn loom_the_peak_is_of_all_who_work() {
    model(|| {
        let world = World::new();
        let id = world.open();
        let work = move |world: &World| {
            world.accounts.charge(id, 8);
            world.accounts.credit(id, 8);
        };
        let other = {
            let world = Arc::clone(&world);
            world.accounts.join(id);
            thread::spawn(move || {
                work(&world);
                world.accounts.leave(id);
            })
        };
        work(&world);
        other.join().unwrap();
        let balance = world.accounts.balance(id);
        assert!(balance.peak_bytes == 8 || balance.peak_bytes == 16);
        assert_eq!((balance.allocations, balance.live_objects), (2, 0));
        world.accounts.leave(id);
        assert_eq!(world.open(), id);
    });
}
