use super::level::KEYS_PER_BUCKET;
use super::*;
use crate::record::stack::StackBuffer;
use crate::record::stack_table::{Node, NodeKey, StackTable};
use crate::record::sync::AtomicU64;

/// Tables are too large for a stack.
fn table() -> &'static LiveTable {
    static TABLES: [LiveTable; 3] = [const { LiveTable::new() }; 3];
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    &TABLES[TAKEN.fetch_add(1, Ordering::Relaxed) as usize]
}

fn world(limit_bytes: u64) -> (&'static LiveTable, Arena, &'static Node) {
    let arena = Arena::new(limit_bytes);
    let node = StackTable::new()
        .node(&NodeKey::new(&StackBuffer::new(), 8), &arena)
        .unwrap();
    (table(), arena, node)
}

fn sample(node: &'static Node, size: usize) -> LiveSample {
    LiveSample {
        node,
        size,
        objects: 3,
        bytes: (size as u64).wrapping_mul(5),
        born: 7,
    }
}

/// Through three levels of growth and back, in an order that mixes them.
#[test]
fn finds_everything_through_growth() {
    const KEYS: usize = 300_000;
    let (table, arena, node) = world(256 << 20);
    let key = |i: usize| (i + 1) * 4096;
    for i in 0..KEYS {
        assert!(table.insert(key(i), &sample(node, i), &arena, 1));
    }
    assert_eq!(table.len(), KEYS as u64);
    assert!(table.get(key(KEYS)).is_none());
    for i in (0..KEYS).step_by(2).chain((1..KEYS).step_by(2)) {
        assert_eq!(table.get(key(i)).unwrap().size, i);
        let removed = table.remove(key(i)).unwrap();
        assert_eq!((removed.size, removed.bytes), (i, i as u64 * 5));
        assert!(table.remove(key(i)).is_none());
    }
    assert_eq!(table.len(), 0);
    for level in core::iter::successors(table.front(), |level| level.older) {
        assert!(
            level
                .buckets
                .iter()
                .all(|bucket| bucket.passed.load(Ordering::Relaxed) == 0)
        );
    }
}

/// A level takes 400 bytes for each bucket, and another is made only when the one
/// before holds three quarters of what it can. What was freed makes room.
#[test]
fn memory_follows_the_live_samples() {
    let (table, arena, node) = world(256 << 20);
    let level_bytes = |level: u32| 400_u64 << (FIRST_LEVEL_LOG2 + level * GROWTH_LOG2);
    let mut used = arena.used_bytes();
    let mut key = 0;
    for level in 0..2 {
        let slots = (KEYS_PER_BUCKET as u64) << (FIRST_LEVEL_LOG2 + level * GROWTH_LOG2);
        let first_key = key;
        for _ in 0..slots / 4 * 3 {
            key += 4096;
            assert!(table.insert(key, &sample(node, 8), &arena, 1));
        }
        used += level_bytes(level);
        assert_eq!(
            arena.used_bytes(),
            used,
            "level {level} is as large as it says"
        );
        for old in (first_key..key).step_by(4096) {
            assert!(table.remove(old + 4096).is_some());
            assert!(table.insert(old + 4096, &sample(node, 8), &arena, 1));
        }
        assert_eq!(arena.used_bytes(), used, "replacing takes nothing");
    }
}

/// At the memory limit inserts fail; what is in the table stays found, and what
/// is removed makes room.
#[test]
fn refuses_at_the_limit_and_loses_nothing() {
    // The first level, and not the second.
    let (table, arena, node) = world(5 << 20);
    let mut kept = 0;
    while table.insert((kept + 1) * 64, &sample(node, kept), &arena, 1) {
        kept += 1;
    }
    assert!(kept >= 7 * 4096 * 3 / 4, "{kept}");
    for i in 0..kept {
        assert_eq!(table.get((i + 1) * 64).unwrap().size, i);
    }
    table.remove(64).unwrap();
    assert!(table.insert(64, &sample(node, 0), &arena, 1));
    for i in 0..kept {
        table.remove((i + 1) * 64).unwrap();
    }
    assert_eq!(table.len(), 0);
}
