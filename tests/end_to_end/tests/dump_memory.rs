//! A dump needs little memory for the names it looks up, and gives back all of
//! it but the frames that later dumps need not look up again.

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::{Block, Meter, Profile};

static METER: Meter = Meter::new();
#[global_allocator]
static ALLOC: Alloc<&Meter> = Alloc::new(&METER).with_sample_interval(1);

/// Of compressed debug information, which some system libraries have, up to 48 MiB
/// are unpacked, in pages that this does not see. The rest is read where it lies.
const PEAK_BYTES: usize = 16 << 20;

/// What is kept is counted in `Stats`, give or take the tables around it.
const UNCOUNTED_BYTES: usize = 1 << 20;

#[test]
fn only_the_frames_found_stay() {
    let held: Vec<Block> = (1..100).map(Block::new).collect();
    // Makes stacks through several crates.
    drop(Profile::decode(&heapprof::dump_heap().expect("registered")));
    heapprof::set_sample_interval(0).expect("0 is an interval");

    let kept_bytes = || {
        let snapshot = Snapshot::take().expect("registered");
        usize::try_from(snapshot.stats().resolved_frames_bytes).expect("a few MiB")
    };
    let (before, kept_before) = (METER.live(), kept_bytes());
    METER.restart_peak();
    drop(heapprof::dump_heap().expect("registered"));
    let (peak, after) = (METER.peak() - before, METER.live());
    let kept = kept_bytes();

    assert!(kept > kept_before, "the stacks of decoding are new");
    assert!(kept <= 8 << 20, "{kept} bytes are kept");
    assert!(peak <= PEAK_BYTES, "{peak} bytes at most");
    let stayed = after.saturating_sub(before);
    assert!(
        stayed <= kept - kept_before + UNCOUNTED_BYTES,
        "{stayed} bytes stayed, {} of them counted",
        kept - kept_before
    );
    drop(held);
}
