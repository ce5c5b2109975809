//! At the default interval the figures are estimates. Here they are held
//! against the truth, which lies within six standard errors in all but about
//! one of a million runs: each site takes dozens of samples or more.
//!
//! An object of s bytes is sampled with probability p = 1 - exp(-s/R) and then
//! stands for 1/p objects. The variance of n such objects is n (1-p)/p, that of
//! their bytes s² times as much.

use std::hint::black_box;
use std::thread;

use heapprof::Alloc;
use heapprof_end_to_end::{Block, Profile, Values, scale};

const INTERVAL: u64 = 512 * 1024;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(INTERVAL);

/// What was really allocated, and how far an estimate of it may be off.
#[derive(Debug, Default)]
struct Truth {
    values: Values,
    /// Of the numbers of objects, allocated and in use.
    object_variance: [f64; 2],
    byte_variance: [f64; 2],
}

impl Truth {
    fn add(&mut self, objects: usize, freed: usize, size: usize) {
        self.values += Values::partly_freed(objects, freed, size);
        let size = size as f64;
        let p = -(-size / INTERVAL as f64).exp_m1();
        for (index, objects) in [objects, objects - freed].into_iter().enumerate() {
            let variance = objects as f64 * (1.0 - p) / p;
            self.object_variance[index] += variance;
            self.byte_variance[index] += variance * size * size;
        }
    }

    fn check(&self, site: &str, estimate: Values) {
        let Values {
            alloc_objects,
            alloc_bytes,
            in_use_objects,
            in_use_bytes,
        } = self.values;
        for (what, truth, estimate, variance) in [
            (
                "objects",
                alloc_objects,
                estimate.alloc_objects,
                self.object_variance[0],
            ),
            (
                "bytes",
                alloc_bytes,
                estimate.alloc_bytes,
                self.byte_variance[0],
            ),
            (
                "live objects",
                in_use_objects,
                estimate.in_use_objects,
                self.object_variance[1],
            ),
            (
                "live bytes",
                in_use_bytes,
                estimate.in_use_bytes,
                self.byte_variance[1],
            ),
        ] {
            let error = (estimate - truth) as f64;
            let sigma = variance.sqrt();
            println!(
                "{site}: {estimate} {what}, truth {truth}, {:+.2} sigma",
                error / sigma.max(1.0)
            );
            // A sample's values are rounded to whole objects and bytes.
            assert!(
                error.abs() <= 6.0 * sigma + 1.0,
                "{site}: {estimate} {what} were estimated, the truth is {truth}, sigma {sigma:.0}"
            );
        }
    }
}

/// Defines functions that allocate so many objects of one size and free some.
/// What is held is in a vector, which belongs to the site too.
macro_rules! sites {
    ($($name:ident: $size:literal,)*) => {
        $(
            #[inline(never)]
            fn $name(objects: usize, freed: usize) -> Vec<Block> {
                for _ in 0..freed {
                    drop(black_box(Block::new(black_box($size))));
                }
                let mut held = Vec::with_capacity(objects - freed);
                for _ in freed..objects {
                    held.push(Block::new(black_box($size)));
                }
                held
            }
        )*

        const SITES: &[(&str, usize, fn(usize, usize) -> Vec<Block>)] =
            &[$((concat!("statistics::", stringify!($name)), $size, $name),)*];
    };
}

sites! {
    tiny: 16,
    small: 100,
    middling: 1_000,
    pages: 10_000,
    large: 100_000,
    beyond_the_interval: 1_000_000,
}

#[test]
fn estimates_of_every_size_lie_within_six_standard_errors() {
    for &(name, size, site) in SITES {
        // Enough for 240 samples, three quarters of which are freed again.
        let p = -(-(size as f64) / INTERVAL as f64).exp_m1();
        let objects = (240.0 * scale().min(10) as f64 / p) as usize;
        let freed = objects / 4 * 3;
        let worker = thread::spawn(move || site(objects, freed));
        let held = worker.join().expect("it ends well");

        let mut truth = Truth::default();
        truth.add(objects, freed, size);
        truth.add(1, 0, held.capacity() * size_of::<Block>());
        truth.check(name, heap().sum(name));
    }
}

/// A stack of small objects in great number and one that is large, of which
/// averaging before scaling would make 25 objects.
#[inline(never)]
fn million_and_one() -> (Vec<Block>, Block) {
    let mut small = Vec::with_capacity(1_000_000);
    for _ in 0..1_000_000 {
        small.push(Block::new(black_box(8)));
    }
    (small, Block::new(black_box(8 << 20)))
}

#[test]
fn a_million_small_objects_beside_a_large_one_are_not_averaged() {
    // A single round has 15 samples of small objects, too few to tell much.
    let rounds = 20 * scale() as usize;
    let mut held = million_and_one();
    for _ in 1..rounds {
        held = million_and_one();
    }

    let mut truth = Truth::default();
    truth.add(rounds * 1_000_000, (rounds - 1) * 1_000_000, 8);
    truth.add(rounds, rounds - 1, 8 << 20);
    truth.add(rounds, rounds - 1, held.0.capacity() * size_of::<Block>());
    truth.check("million_and_one", heap().sum("statistics::million_and_one"));
}

#[inline(never)]
fn short_lived() {
    for _ in 0..64 {
        drop(black_box(Block::new(1_024)));
    }
}

#[test]
fn threads_that_allocate_less_than_an_interval_are_not_missed() {
    let threads = 4_000 * scale() as usize;
    for _ in 0..threads {
        thread::spawn(short_lived).join().expect("it ends well");
    }

    let mut truth = Truth::default();
    truth.add(threads * 64, threads * 64, 1_024);
    truth.check("short_lived", heap().sum("statistics::short_lived"));
}

fn heap() -> Profile {
    Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"))
}
