//! Peaks of programs that do more than one thing at a time.

use std::cell::RefCell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use heapprof::{Alloc, Counts, Snapshot};
use heapprof_end_to_end::{Block, Numbers, Profile};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

const THREADS: usize = 4;
const SIZE: usize = 4_000;

#[inline(never)]
fn site_in_peace() -> Block {
    // Functions of equal code would be made one.
    std::hint::black_box("site_in_peace");
    Block::new(SIZE)
}

#[inline(never)]
fn site_in_a_storm() -> Block {
    // Functions of equal code would be made one.
    std::hint::black_box("site_in_a_storm");
    Block::new(SIZE)
}

#[inline(never)]
fn site_of_the_child() -> Block {
    // Functions of equal code would be made one.
    std::hint::black_box("site_of_the_child");
    Block::new(SIZE)
}

thread_local! {
    /// Freed by the destructors of a thread that ends.
    static HELD: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// One after the other: the peak is the whole process's.
#[test]
fn peaks_are_found() {
    one_that_is_reached_in_peace_is_exact();
    one_in_a_storm_is_off_by_what_is_in_flight();
    whatever_the_interval_the_peak_is_highest();
    a_child_goes_on_from_its_parents_peak();
}

/// All threads hold what they hold when the first one lets go, in the destructors of
/// their thread-locals.
fn one_that_is_reached_in_peace_is_exact() {
    const EACH: usize = 500;
    heapprof::reset_peak().expect("heapprof is registered");
    let all_hold = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let held = (0..EACH).map(|_| site_in_peace()).collect();
                HELD.set(held);
                all_hold.wait();
            });
        }
    });
    let profile = Profile::decode(&heapprof::dump_peak().expect("heapprof is registered"));
    let values = profile.sum("site_in_peace");
    let blocks = THREADS * EACH;
    assert_eq!(values.in_use_objects as usize, blocks);
    assert_eq!(values.in_use_bytes as usize, blocks * SIZE);
    let heap = Profile::decode(&heapprof::dump_heap().expect("heapprof is registered"));
    assert_eq!(heap.sum("site_in_peace").in_use_bytes, 0);
}

/// Every thread goes up and down as it likes.
fn one_in_a_storm_is_off_by_what_is_in_flight() {
    const STEPS: usize = 20_000;
    static HELD: AtomicI64 = AtomicI64::new(0);
    static MOST: AtomicI64 = AtomicI64::new(0);
    // Room for what is held is there from before the first step until after the last:
    // the total then is highest where the most blocks are.
    let mut rooms: [_; THREADS] = std::array::from_fn(|_| Vec::with_capacity(STEPS));
    heapprof::reset_peak().expect("heapprof is registered");
    thread::scope(|scope| {
        for (seed, held) in rooms.iter_mut().enumerate() {
            scope.spawn(move || {
                let mut numbers = Numbers(seed as u64);
                for step in 0..STEPS {
                    if numbers.below(STEPS) > step {
                        held.push(site_in_a_storm());
                        let now = HELD.fetch_add(1, Ordering::Relaxed) + 1;
                        MOST.fetch_max(now, Ordering::Relaxed);
                    } else if held.pop().is_some() {
                        HELD.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let profile = Profile::decode(&heapprof::dump_peak().expect("heapprof is registered"));
    let found = profile.sum("site_in_a_storm").in_use_objects;
    let most = MOST.load(Ordering::Relaxed);
    // This test's own count has as many in flight.
    let in_flight = 2 * THREADS as i64;
    assert!((found - most).abs() <= in_flight, "{found}, counted {most}");
}

/// A sample weighs what it weighed when it was taken, in the total too.
fn whatever_the_interval_the_peak_is_highest() {
    heapprof::reset_peak().expect("heapprof is registered");
    let mut numbers = Numbers(3);
    let mut held = Vec::new();
    for interval in [1, 100_000, 3_000, 0, 1] {
        heapprof::set_sample_interval(interval).expect("heapprof is registered");
        for _ in 0..3_000 {
            if numbers.below(10) < 6 || held.is_empty() {
                held.push(Block::new(1 + numbers.below(SIZE)));
            } else {
                held.swap_remove(numbers.below(held.len()));
            }
        }
        let (in_use, at_peak) = now();
        assert!(at_peak.bytes >= in_use.bytes, "{at_peak:?}, {in_use:?}");
    }
    let (_, at_peak) = now();
    assert!(at_peak.standard_error_bytes() > 0.0);
    drop(held);
    assert_eq!(now().1.bytes, at_peak.bytes);
    heapprof::reset_peak().expect("heapprof is registered");
    let (in_use, at_peak) = now();
    assert_eq!(at_peak.bytes, in_use.bytes);
}

fn now() -> (Counts, Counts) {
    let snapshot = Snapshot::take().expect("heapprof is registered");
    (snapshot.stats().in_use, snapshot.stats().in_use_at_peak)
}

fn a_child_goes_on_from_its_parents_peak() {
    let before = now().1.bytes;
    // SAFETY: the child allocates, frees and ends, which heapprof and the system's
    // allocator let it do.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let held: Vec<Block> = (0..1_000).map(|_| site_of_the_child()).collect();
        drop(held);
        let (in_use, at_peak) = now();
        let is_found =
            at_peak.bytes >= before + 1_000 * SIZE as i64 && in_use.bytes < at_peak.bytes;
        // SAFETY: ends the child, without what the test harness would do.
        unsafe { libc::_exit(i32::from(!is_found)) };
    }
    let mut status = -1;
    // SAFETY: writes to our own variable.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child found its peak");
}
