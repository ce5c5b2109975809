//! Workloads that allocate, free, and do next to nothing else.

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use crate::Random;

#[inline(never)]
pub(crate) fn pair<const BYTES: usize>(operations: u64) -> u64 {
    for _ in 0..operations {
        drop(black_box(Box::<[u8; BYTES]>::new_uninit()));
    }
    operations
}

pub(crate) fn deep_pair<const BYTES: usize>(operations: u64) -> u64 {
    descend(30, operations, pair::<BYTES>)
}

#[inline(never)]
fn descend(depth: u32, operations: u64, work: fn(u64) -> u64) -> u64 {
    let done = if depth == 0 {
        work(operations)
    } else {
        descend(depth - 1, operations, work)
    };
    // Something left to do after the call, or it would be a jump without a frame.
    black_box(done)
}

/// Nothing is ever written into the block, so what is left is the allocator's
/// own work, copying included.
#[inline(never)]
pub(crate) fn realloc_growth(operations: u64) -> u64 {
    let mut done = 0;
    while done < operations {
        let mut block = black_box(Vec::<u8>::with_capacity(64));
        while block.capacity() < 64 << 10 {
            block.reserve_exact(2 * block.capacity());
            block = black_box(block);
            done += 1;
        }
    }
    done
}

type Block = Box<[u64; 8]>;

/// Blocks travel by the thousand, so that the channel costs next to nothing, and
/// enough of them may be under way to outlast a consumer that is not scheduled.
#[inline(never)]
pub(crate) fn cross_thread(operations: u64) -> u64 {
    const CRATE: u64 = 1024;
    const CRATES_UNDER_WAY: usize = 64;
    let crates = operations.div_ceil(CRATE);
    let (full_tx, full_rx) = mpsc::sync_channel::<Vec<Block>>(CRATES_UNDER_WAY);
    let (empty_tx, empty_rx) = mpsc::sync_channel::<Vec<Block>>(CRATES_UNDER_WAY);
    for _ in 0..CRATES_UNDER_WAY {
        empty_tx
            .send(Vec::with_capacity(CRATE as usize))
            .expect("its receiver is alive");
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            for mut blocks in full_rx {
                blocks.clear();
                // The producer has all it needs once it hung up.
                let _ = empty_tx.send(blocks);
            }
        });
        for _ in 0..crates {
            let mut blocks = empty_rx.recv().expect("the consumer returns every crate");
            blocks.extend((0..CRATE).map(|block| black_box(Box::new([block; 8]))));
            full_tx
                .send(blocks)
                .expect("the consumer outlives the producer");
        }
        drop(full_tx);
    });
    crates * CRATE
}

/// Blocks that a thread of `replacement` keeps.
type Slots = Vec<Vec<u8>>;

/// A server's steady state after Larson and Krishnan: many live blocks of mixed
/// sizes and ages, of which a random one makes way for a new one. Several threads
/// end half-way, and others go on with what they leave.
#[inline(never)]
pub(crate) fn replacement<const THREADS: usize>(operations: u64) -> u64 {
    const SLOTS: usize = 4096;
    let mut slots: [Slots; THREADS] = std::array::from_fn(|_| vec![Vec::new(); SLOTS]);
    if let [slots] = slots.as_mut_slice() {
        return replace(slots, operations);
    }
    let share = operations / (2 * THREADS as u64);
    for _ in 0..2 {
        thread::scope(|scope| {
            for slots in &mut slots {
                scope.spawn(|| replace(slots, share));
            }
        });
    }
    share * 2 * THREADS as u64
}

fn replace(slots: &mut Slots, operations: u64) -> u64 {
    let mut random = Random::new();
    for _ in 0..operations {
        let random = random.next();
        let slot = (random >> 32) as usize % slots.len();
        slots[slot] = Vec::with_capacity(16 + random as usize % 1009);
        black_box(&mut slots[slot]);
    }
    operations
}
