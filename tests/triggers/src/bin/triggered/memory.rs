//! Thresholds.

use std::hint::black_box;
use std::time::Duration;

use heapprof::{Threshold, TriggersBuilder};

use crate::{SOON, several_looks, start, wait_for};

pub(crate) const MIB: usize = 1 << 20;

/// Resident memory, the last of it touched now.
pub(crate) fn take(blocks: &mut Vec<Vec<u8>>, bytes: usize) {
    blocks.push(black_box(vec![1; bytes]));
}

pub(crate) fn resident_steps(builder: TriggersBuilder) {
    let threshold = Threshold::bytes(256 << 20).step(64 << 20);
    let triggers = start(builder.on_resident(threshold).at_most_every(SOON));
    let mut blocks = Vec::new();
    take(&mut blocks, 128 * MIB);
    several_looks();
    println!("below {}", triggers.status().dumps);
    take(&mut blocks, 130 * MIB);
    wait_for(&triggers, |status| status.dumps == 1);
    several_looks();
    take(&mut blocks, 64 * MIB);
    wait_for(&triggers, |status| status.dumps == 2);
    several_looks();
    println!("steps {}", triggers.status().dumps);
    blocks.clear();
    several_looks();
    take(&mut blocks, 258 * MIB);
    wait_for(&triggers, |status| status.dumps == 3);
    several_looks();
    println!("again {}", triggers.status().dumps);
}

pub(crate) fn rate_limit(builder: TriggersBuilder) {
    let threshold = Threshold::bytes(64 << 20).step(1 << 20);
    let hour = Duration::from_secs(3600);
    let triggers = start(builder.on_resident(threshold).at_most_every(hour));
    let mut blocks = Vec::new();
    for _ in 0..4 {
        take(&mut blocks, 64 * MIB);
        several_looks();
    }
    println!("dumps {}", triggers.status().dumps);
}

/// Asked for, and never touched.
pub(crate) fn in_use(builder: TriggersBuilder) {
    let triggers = start(builder.on_in_use(Threshold::bytes(1 << 30)));
    let block: Vec<u8> = Vec::with_capacity(black_box(1100 * MIB));
    wait_for(&triggers, |status| status.dumps == 1);
    drop(black_box(block));
}
