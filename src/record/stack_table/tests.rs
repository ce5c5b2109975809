use super::*;
use crate::record::stack::{ReturnAddress, StackBuffer, StackEnd};

fn buffer(addresses: &[u64], end: StackEnd, module_generation: u32) -> StackBuffer {
    let mut buffer = StackBuffer::new();
    for &address in addresses {
        buffer.push(ReturnAddress(address));
    }
    buffer.end = end;
    buffer.module_generation = module_generation;
    buffer
}

#[test]
fn everything_in_the_key_tells_nodes_apart() {
    let (table, arena) = (StackTable::new(), Arena::new(64 << 20));
    let base = buffer(&[1, 2, 3], StackEnd::Root, 1);
    let node = table.node(&NodeKey::new(&base, 8), &arena).unwrap();
    let again = table.node(&NodeKey::new(&base, 8), &arena).unwrap();
    assert!(ptr::eq(node, again));

    let others = [
        NodeKey::new(&buffer(&[1, 2], StackEnd::Root, 1), 8).hash(),
        NodeKey::new(&buffer(&[3, 2, 1], StackEnd::Root, 1), 8).hash(),
        NodeKey::new(&buffer(&[1, 2, 3], StackEnd::Cut, 1), 8).hash(),
        NodeKey::new(&buffer(&[1, 2, 3], StackEnd::Root, 2), 8).hash(),
        NodeKey::new(&base, 16).hash(),
        NodeKey {
            label_set: 1,
            ..NodeKey::new(&base, 8)
        }
        .hash(),
    ];
    for other in others {
        assert_ne!(other, node.key.hash());
    }
}

#[test]
fn stacks_by_the_hundred_thousand() {
    const STACKS: u64 = 100_000;
    let (table, arena) = (StackTable::new(), Arena::new(256 << 20));
    for round in 0..2 {
        for i in 0..STACKS {
            let stack = buffer(&[i, i / 2, i / 4], StackEnd::Root, 1);
            let node = table.node(&NodeKey::new(&stack, 8), &arena).unwrap();
            assert_eq!(node.read(Mark(0)).allocs.samples, round);
            node.add_alloc(&Sums::of_sample(8, 1024, 8));
        }
    }
    assert_eq!(table.nodes().count() as u64, STACKS);
    let chains = table.chains.get().unwrap().iter();
    let longest = chains.map(|chain| chain.members().count());
    assert!(longest.max().unwrap() < 16, "the hash spreads");
}

/// A stack takes its node and its frames, on whole cache lines.
#[test]
fn memory_is_linear_in_stacks() {
    const STACKS: u64 = 20_000;
    for (frames, bytes_each) in [(12, 192 + 128), (40, 192 + 320)] {
        let (table, arena) = (StackTable::new(), Arena::new(64 << 20));
        table.prepare(&arena);
        let before = arena.used_bytes();
        for i in 0..STACKS {
            let stack = buffer(&vec![i; frames], StackEnd::Root, 1);
            table.node(&NodeKey::new(&stack, 8), &arena).unwrap();
        }
        let used = arena.used_bytes() - before;
        // Whole MiB are taken, of which the last bytes may not hold another piece.
        assert!(used.abs_diff(STACKS * bytes_each) <= 1 << 20, "{used}");
    }
}

#[test]
fn no_node_without_memory() {
    let (table, arena) = (StackTable::new(), Arena::new(2 << 20));
    let made = (0..).take_while(|&i| {
        table
            .node(
                &NodeKey::new(&buffer(&[i; 100], StackEnd::Root, 1), 8),
                &arena,
            )
            .is_some()
    });
    let made = made.count() as u64;
    assert!(made > 1000);
    let known = buffer(&[0; 100], StackEnd::Root, 1);
    assert!(
        table.node(&NodeKey::new(&known, 8), &arena).is_some(),
        "known stacks go on"
    );
}

/// Sums of the same node, read while eight threads add to it.
#[test]
fn reads_are_consistent_while_threads_add() {
    let (table, arena) = (StackTable::new(), Arena::new(64 << 20));
    let stack = buffer(&[1], StackEnd::Root, 1);
    let node = table.node(&NodeKey::new(&stack, 8), &arena).unwrap();
    let sums = Sums::of_sample(8, 1024, 80);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    node.add_alloc(&sums);
                    node.add_free(&sums);
                }
            });
        }
        for _ in 0..2_000 {
            let NodeSums {
                allocs,
                frees,
                torn,
                ..
            } = node.read(Mark(0));
            assert!(frees.samples <= allocs.samples);
            if !torn {
                assert_eq!(
                    (allocs.sampled_bytes, allocs.bytes),
                    (allocs.samples * 8, allocs.samples * 80)
                );
                assert_eq!(frees.objects, frees.samples * 1024);
                assert_eq!(frees.variance.bytes, (frees.samples * 80 * 72) as f64);
            }
        }
    });
    assert_eq!(node.read(Mark(0)).allocs, node.read(Mark(0)).frees);
    assert_eq!(node.read(Mark(0)).allocs.samples, 160_000);
}
