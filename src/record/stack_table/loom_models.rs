//! The stack table under every interleaving with few preemptions, with a single
//! chain.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::record::stack::{ReturnAddress, StackBuffer, StackEnd};
use crate::record::sync::model;

struct World {
    table: StackTable,
    arena: Arena,
}

impl World {
    fn new() -> Arc<Self> {
        let world = Self {
            table: StackTable::new(),
            arena: Arena::new(1000),
        };
        world.table.prepare(&world.arena);
        Arc::new(world)
    }

    fn node(&self, address: u64) -> &'static Node {
        let mut stack = StackBuffer::new();
        stack.push(ReturnAddress(address));
        stack.end = StackEnd::Root;
        self.table
            .node(&NodeKey::new(&stack, 8), &self.arena)
            .unwrap()
    }
}

/// What a sample of `size` bytes adds in these models; a variance of 6 objects²
/// and 6 size² bytes².
fn sample(size: usize) -> Sums {
    Sums::of_sample(size, size as u64 * 2, size as u64 * 3)
}

fn assert_belongs_together(sums: &Sums, size: u64) {
    assert_eq!(sums.sampled_bytes, sums.samples * size);
    assert_eq!(sums.objects, sums.samples * size * 2);
    assert_eq!(sums.bytes, sums.samples * size * 3);
    assert_eq!(sums.variance.objects, sums.samples as f64 * 6.0);
    assert_eq!(
        sums.variance.bytes,
        (sums.samples * size * size) as f64 * 6.0
    );
}

/// The same stack from two threads is one node; another stack is another.
#[test]
fn loom_one_node_per_stack() {
    model(|| {
        let world = World::new();
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let (first, second) = (world.node(1), world.node(2));
                (ptr::from_ref(first).addr(), ptr::from_ref(second).addr())
            })
        };
        let second = ptr::from_ref(world.node(2)).addr();
        let first = ptr::from_ref(world.node(1)).addr();
        assert_eq!(other.join().unwrap(), (first, second));
        assert_eq!(world.table.nodes().count(), 2);
        assert!(world.table.nodes().all(|node| node.key.stack.len() == 1));
    });
}

/// The chains themselves are made once, by whoever comes first.
#[test]
fn loom_chains_are_made_once() {
    model(|| {
        let world = Arc::new(World {
            table: StackTable::new(),
            arena: Arena::new(1000),
        });
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || ptr::from_ref(world.node(1)).addr())
        };
        let mine = ptr::from_ref(world.node(1)).addr();
        assert_eq!(other.join().unwrap(), mine);
    });
}

/// A snapshot while a block is allocated and freed: sums belong together unless
/// they are said to be torn, and nothing is freed that was not allocated.
#[test]
fn loom_snapshot_against_alloc_and_free() {
    model(|| {
        let node = World::new().node(1);
        let writer = thread::spawn(move || {
            node.add_alloc(&sample(8));
            node.add_free(&sample(8));
        });
        let sums = node.read(Mark(0));
        if !sums.torn {
            assert_belongs_together(&sums.allocs, 8);
            assert_belongs_together(&sums.frees, 8);
        }
        assert!(sums.frees.samples <= sums.allocs.samples);
        assert!(sums.frees.bytes <= sums.allocs.bytes);
        assert!(sums.frees.variance.bytes <= sums.allocs.variance.bytes);
        writer.join().unwrap();
        let sums = node.read(Mark(0));
        assert!(!sums.torn);
        assert_eq!((sums.allocs.samples, sums.frees.samples), (1, 1));
        assert_belongs_together(&sums.allocs, 8);
    });
}

/// Two writers at once: one complete, one half-way is not taken for whole.
#[test]
fn loom_tally_with_two_writers() {
    model(|| {
        let node = World::new().node(1);
        let writers: Vec<_> = (0..2)
            .map(|_| thread::spawn(move || node.allocs.add(&sample(8))))
            .collect();
        let (sums, whole) = node.allocs.read();
        if whole {
            assert_belongs_together(&sums, 8);
        }
        for writer in writers {
            writer.join().unwrap();
        }
        let (sums, whole) = node.allocs.read();
        assert!(whole);
        assert_eq!(sums.samples, 2);
        assert_belongs_together(&sums, 8);
    });
}
