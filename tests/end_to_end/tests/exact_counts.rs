//! At interval 1 nothing is estimated: objects and bytes are, per function,
//! what the test did.

use std::sync::mpsc;
use std::thread;

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::{Block, Numbers, Profile, Values, scale};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

const THREADS: usize = 4;

/// Sizes on both sides of every threshold that an allocator treats
/// differently: its smallest block, a page, and where it maps memory by itself.
const SIZES: [usize; 12] = [
    1, 8, 24, 100, 1_000, 4_095, 4_096, 4_097, 32_767, 32_768, 100_000, 300_000,
];

/// What a function allocated, in blocks that other functions may free.
#[derive(Default)]
struct Ledger {
    plain: Values,
    zeroed: Values,
    resized: Values,
}

/// Who has to answer for a live block: its last allocation or reallocation.
#[derive(Clone, Copy)]
enum Owner {
    Plain,
    Zeroed,
    Resized,
}

impl Ledger {
    fn of(&mut self, owner: Owner) -> &mut Values {
        match owner {
            Owner::Plain => &mut self.plain,
            Owner::Zeroed => &mut self.zeroed,
            Owner::Resized => &mut self.resized,
        }
    }

    fn add(&mut self, other: &Self) {
        self.plain += other.plain;
        self.zeroed += other.zeroed;
        self.resized += other.resized;
    }
}

#[inline(never)]
fn site_plain(size: usize) -> Block {
    Block::new(size)
}

#[inline(never)]
fn site_zeroed(size: usize) -> Block {
    Block::zeroed(size)
}

#[inline(never)]
fn site_resized(block: &mut Block, size: usize) {
    block.resize(size);
}

/// Allocates, resizes and frees at random, and hands every third block to
/// another thread to free. Returns what is still held.
fn churn(
    seed: u64,
    steps: u64,
    give: &mpsc::Sender<(Block, Owner)>,
    taken: &mpsc::Receiver<(Block, Owner)>,
) -> (Ledger, Vec<(Block, Owner)>) {
    let mut numbers = Numbers(seed);
    let mut ledger = Ledger::default();
    let mut held: Vec<(Block, Owner)> = Vec::new();
    for _ in 0..steps {
        let size = numbers.pick(&SIZES);
        let pick = numbers.below(held.len().max(1));
        match numbers.below(6) {
            0 | 1 => {
                held.push((site_plain(size), Owner::Plain));
                ledger.plain.allocate(size);
            }
            2 => {
                held.push((site_zeroed(size), Owner::Zeroed));
                ledger.zeroed.allocate(size);
            }
            _ if held.is_empty() => {}
            3 => {
                let (block, owner) = &mut held[pick];
                ledger.of(*owner).free(block.size());
                site_resized(block, size);
                ledger.resized.allocate(size);
                *owner = Owner::Resized;
            }
            4 => {
                let (block, owner) = held.swap_remove(pick);
                ledger.of(owner).free(block.size());
                drop(block);
            }
            _ => give
                .send(held.swap_remove(pick))
                .expect("the neighbour listens"),
        }
        for (block, owner) in taken.try_iter() {
            ledger.of(owner).free(block.size());
            drop(block);
        }
    }
    (ledger, held)
}

#[test]
fn every_object_and_byte_is_counted_where_it_was_allocated() {
    let steps = 3_000 * scale();
    let (givers, takers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel()).unzip();
    let mut givers = givers.into_iter().cycle().skip(1);
    let workers: Vec<_> = (1..)
        .zip(takers)
        .map(|(seed, taken)| {
            let give = givers.next().expect("a cycle has no end");
            thread::spawn(move || {
                let (ledger, held) = churn(seed, steps, &give, &taken);
                // Blocks may still be under way: they come along to be counted.
                (ledger, held, taken, give)
            })
        })
        .collect();
    let workers: Vec<_> = workers
        .into_iter()
        .map(|w| w.join().expect("a worker ends well"))
        .collect();
    let mut expected = Ledger::default();
    for (ledger, ..) in &workers {
        expected.add(ledger);
    }

    let heap = Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"));

    assert_eq!(heap.sum("exact_counts::site_plain"), expected.plain);
    assert_eq!(heap.sum("exact_counts::site_zeroed"), expected.zeroed);
    assert_eq!(heap.sum("exact_counts::site_resized"), expected.resized);
    let snapshot = Snapshot::take().expect("the allocator is registered");
    assert_eq!(snapshot.stats().lost_samples, 0);

    drop(workers);
    let heap = Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"));
    let freed = |values: Values| Values {
        in_use_objects: 0,
        in_use_bytes: 0,
        ..values
    };
    assert_eq!(heap.sum("exact_counts::site_plain"), freed(expected.plain));
    assert_eq!(
        heap.sum("exact_counts::site_zeroed"),
        freed(expected.zeroed)
    );
    assert_eq!(
        heap.sum("exact_counts::site_resized"),
        freed(expected.resized)
    );
}

#[inline(never)]
fn site_sized() -> Vec<Block> {
    let mut blocks = Vec::new();
    // Reserved by an allocation of its own, of 8 x 24 bytes.
    blocks.reserve_exact(8);
    blocks.extend([Block::new(40), Block::new(40), Block::new(5_000)]);
    blocks
}

#[test]
fn the_bytes_label_tells_sizes_apart() {
    let blocks = site_sized();
    let heap = Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"));
    let capacity = blocks.capacity() * size_of::<Block>();
    let held = Values::held(2, 40) + Values::held(1, 5_000) + Values::held(1, capacity);
    assert_eq!(heap.sum("exact_counts::site_sized"), held);
    let sizes = heap.object_sizes("exact_counts::site_sized");
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    // Upper bounds of size classes, hence never below the size itself.
    for (class, size) in sizes.iter().zip([40, 192, 5_000]) {
        assert!(
            (size..=size * 5 / 4).contains(class),
            "{size} is counted among {class}"
        );
    }
}
