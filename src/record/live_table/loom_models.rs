//! The live table under every interleaving with few preemptions, at a tiny
//! capacity: two buckets of one key each, then four.

use loom::sync::Arc;
use loom::thread;

use super::level::EMPTY;
use super::*;
use crate::record::stack::{StackBuffer, StackEnd};
use crate::record::stack_table::{Node, NodeKey, StackTable};
use crate::record::sync::{AtomicU64, model};

struct World {
    table: LiveTable,
    arena: Arena,
    node: &'static Node,
}

impl World {
    fn new(limit: u64) -> Arc<Self> {
        let arena = Arena::new(limit);
        let mut stack = StackBuffer::new();
        stack.end = StackEnd::Root;
        let node = StackTable::new()
            .node(&NodeKey::new(&stack, 8), &arena)
            .unwrap();
        let table = LiveTable::new();
        table.prepare(&arena, 1);
        Arc::new(Self { table, arena, node })
    }

    fn insert(&self, key: usize) -> bool {
        self.insert_another(key, key)
    }

    /// A sample whose figures are those of another key.
    fn insert_another(&self, key: usize, of: usize) -> bool {
        let sample = LiveSample {
            node: self.node,
            size: of * 10,
            objects: of as u64 * 100,
            bytes: of as u64 * 1000,
            born: of as u64 * 10_000,
        };
        self.table.insert(key, &sample, &self.arena, 1)
    }

    /// Removes a key of the caller's own: it must be there, with its own sample.
    fn remove(&self, key: usize) {
        let sample = self.table.remove(key).expect("a live key is never missed");
        assert_eq!(sample.size, key * 10);
        assert_eq!(sample.objects, key as u64 * 100);
        assert_eq!(sample.bytes, key as u64 * 1000);
    }

    fn assert_empty(&self) {
        assert_eq!(self.table.len(), 0);
        for level in core::iter::successors(self.table.front(), |level| level.older) {
            for bucket in level.buckets {
                assert_eq!(
                    bucket.passed.load(Ordering::Relaxed),
                    0,
                    "every raise was lowered"
                );
                for key in &bucket.keys {
                    assert_eq!(key.load(Ordering::Relaxed), EMPTY);
                }
            }
        }
    }
}

/// Two threads come and go through the same bucket: slots are reused, and no
/// sample is mixed up with another's.
#[test]
fn loom_insert_and_remove_against_each_other() {
    model(|| {
        let world = World::new(1000);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                assert!(world.insert(1));
                world.remove(1);
            })
        };
        assert!(world.insert(3));
        world.remove(3);
        other.join().unwrap();
        world.assert_empty();
    });
}

/// A full first level: both threads want the table to grow. Nobody waits, and
/// what was inserted before is still found.
#[test]
fn loom_growth_against_insert_and_remove() {
    model(|| {
        let world = World::new(1000);
        assert!(world.insert(1) && world.insert(2));
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                if world.insert(3) {
                    world.remove(3);
                }
                world.remove(1);
            })
        };
        if world.insert(4) {
            world.remove(4);
        }
        world.remove(2);
        other.join().unwrap();
        world.assert_empty();
    });
}

/// At the limit of memory, inserts fail and nothing else does.
#[test]
fn loom_full_table_refuses_and_recovers() {
    model(|| {
        // Room for the node, its chains and one level.
        let world = World::new(8);
        assert!(world.insert(1));
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                if world.insert(2) {
                    world.remove(2);
                }
            })
        };
        if world.insert(3) {
            world.remove(3);
        }
        other.join().unwrap();
        assert!(world.insert(4), "what was freed can be used");
        world.remove(4);
        world.remove(1);
        world.assert_empty();
    });
}

/// Keys that are not in the table are not found, whatever else goes on, and a
/// key that is in it stays found while a full bucket empties around it.
#[test]
fn loom_misses_and_passed_buckets() {
    model(|| {
        let world = World::new(1000);
        assert!(world.insert(1) && world.insert(2));
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.remove(1))
        };
        assert!(world.table.get(9).is_none());
        assert!(world.insert(5));
        assert!(world.table.get(5).is_some());
        assert!(world.table.remove(9).is_none());
        other.join().unwrap();
        world.remove(5);
        world.remove(2);
        world.assert_empty();
    });
}

/// A block is allocated by one thread and freed by another.
#[test]
fn loom_handover_between_threads() {
    model(|| {
        let world = World::new(1000);
        let passed_on = Arc::new(AtomicU64::new(0));
        let freer = {
            let (world, passed_on) = (Arc::clone(&world), Arc::clone(&passed_on));
            thread::spawn(move || {
                if passed_on.load(Ordering::Acquire) == 1 {
                    world.remove(1);
                    return true;
                }
                false
            })
        };
        assert!(world.insert(1));
        passed_on.store(1, Ordering::Release);
        assert!(world.insert(2));
        world.remove(2);
        if !freer.join().unwrap() {
            world.remove(1);
        }
        world.assert_empty();
    });
}

/// One looks at every sample while a block is freed and its address handed out again:
/// what is seen is one of the two, whole.
#[test]
fn loom_samples_are_seen_whole() {
    model(|| {
        let world = World::new(1000);
        assert!(world.insert(1));
        let reader = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                for sample in world.table.samples() {
                    let key = sample.size as u64 / 10;
                    assert!([1, 3].contains(&key));
                    assert_eq!(
                        (sample.objects, sample.bytes, sample.born),
                        (key * 100, key * 1000, key * 10_000)
                    );
                }
            })
        };
        world.remove(1);
        assert!(world.insert_another(1, 3));
        reader.join().unwrap();
        assert_eq!(world.table.samples().count(), 1);
    });
}

/// A block that something else freed may be handed out anew without any order
/// that we know of between the two: what is found of the first is whole.
#[test]
fn loom_an_unordered_lookup_finds_a_whole_sample_or_none() {
    model(|| {
        let world = World::new(1000);
        let reader = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                if let Some(sample) = world.table.get(1) {
                    assert_eq!((sample.size, sample.objects, sample.bytes), (10, 100, 1000));
                }
            })
        };
        assert!(world.insert(1));
        reader.join().unwrap();
        world.remove(1);
        world.assert_empty();
    });
}
