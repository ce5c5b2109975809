//! How long what was freed had lived, read by `pprof`.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::decode::Sample;
use heapprof_end_to_end::{Block, Numbers, Profile, Reader};
use tempfile::TempDir;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

#[inline(never)]
fn site_of_churn() -> Block {
    Block::new(100)
}

#[inline(never)]
fn site_held_for_a_while() -> Block {
    Block::new(3_000)
}

#[inline(never)]
fn site_in_use() -> Block {
    Block::new(5_000)
}

#[inline(never)]
fn site_of_many_sizes(size: usize) -> Block {
    Block::new(size)
}

/// What is freed at once, what is freed later, and what is not are told apart, to the
/// object; all of it together is the plain profile, sampled or not.
#[test]
fn lifetimes_divide_what_was_allocated() {
    let in_use: Vec<Block> = (0..10).map(|_| site_in_use()).collect();
    let held_since = Instant::now();
    let held: Vec<Block> = (0..10).map(|_| site_held_for_a_while()).collect();
    let longest_churn = churn();
    thread::sleep(Duration::from_millis(1_050));
    drop(held);
    let held_for = held_since.elapsed();

    let lifetimes = heapprof::dump_lifetimes().expect("heapprof is registered");
    let plain = heapprof::dump_allocs().expect("heapprof is registered");
    let divided = Profile::decode(&lifetimes);
    assert_eq!(divided.default_sample_type(), "alloc_space");
    assert!(wholes(&divided) == wholes(&Profile::decode(&plain)));
    assert_eq!(
        by_lifetime(&divided, "site_in_use")[&None],
        [10, 50_000, 10, 50_000]
    );
    let churned = by_lifetime(&divided, "site_of_churn");
    assert!(!churned.contains_key(&None));
    assert_eq!(sum(churned.values()), [1_000, 100_000, 0, 0]);
    // A machine that sleeps longer than it is told to shifts everything.
    let is_in_time =
        longest_churn < Duration::from_millis(900) && held_for < Duration::from_secs(9);
    if is_in_time {
        assert!(churned.keys().all(|&lifetime| lifetime < Some(1_000)));
        let held = by_lifetime(&divided, "site_held_for_a_while");
        assert_eq!(held, BTreeMap::from([(Some(3_000), [10, 30_000, 0, 0])]));
        readers_focus_on_them(&lifetimes);
    }

    // Estimates are divided no less exactly, although each stands for parts of objects.
    heapprof::set_sample_interval(2_000).expect("as above");
    let mut numbers = Numbers(7);
    let mut blocks: Vec<Block> = Vec::new();
    for round in 0..20_000 {
        if round % 5_000 == 500 {
            thread::sleep(Duration::from_millis(30));
        }
        blocks.push(site_of_many_sizes(1 + numbers.below(500)));
        if blocks.len() == 1_000 {
            blocks.clear();
        }
    }
    let lifetimes = heapprof::dump_lifetimes().expect("as above");
    let plain = heapprof::dump_allocs().expect("as above");
    let divided = Profile::decode(&lifetimes);
    assert!(wholes(&divided) == wholes(&Profile::decode(&plain)));
    let sampled = by_lifetime(&divided, "site_of_many_sizes");
    assert!(sampled.len() > 1, "{sampled:?}");
    let snapshot = Snapshot::take().expect("as above");
    assert_eq!(snapshot.stats().unknown_lifetimes, 0);
    drop((in_use, blocks));
}

/// Allocates and frees a thousand times; the longest that took.
fn churn() -> Duration {
    let took = (0..1_000).map(|_| {
        let begun = Instant::now();
        drop(site_of_churn());
        begun.elapsed()
    });
    took.max().unwrap_or_default()
}

fn readers_focus_on_them(profile: &[u8]) {
    let directory = TempDir::new().expect("there is room for a directory");
    let path = directory.path().join("lifetimes");
    std::fs::write(&path, profile).expect("the directory takes a file");
    let file = path.to_str().expect("the path is text");
    let sites = ["site_of_churn", "site_held_for_a_while", "site_in_use"];
    for reader in Reader::both() {
        let shown = |options: &[&str]| {
            let top = ["-top", "-nodefraction=0", "-unit=B", file];
            let text = reader.run(options.iter().chain(&top));
            sites.map(|site| text.contains(site))
        };
        assert_eq!(shown(&["-tagfocus=lifetime=:1s"]), [true, false, false]);
        assert_eq!(shown(&["-tagfocus=lifetime=1s:"]), [false, true, false]);
        assert_eq!(shown(&["-tagfocus=lifetime=1s:10s"]), [false, true, false]);
        assert_eq!(shown(&["-tagfocus=lifetime=10s:"]), [false; 3]);
        assert_eq!(shown(&["-tagignore=lifetime=0s:"]), [false, false, true]);
        let tags = reader.run(["-tags", file]);
        assert!(tags.contains("lifetime: Total"), "{tags}");
        assert!(tags.contains("3s"), "{tags}");
    }
}

/// What each stack allocated and has in use, whatever it is labelled with.
fn wholes(profile: &Profile) -> BTreeMap<String, [i64; 4]> {
    let mut wholes = BTreeMap::new();
    for sample in profile.all() {
        let sizes = sample.numbers.iter().filter(|(key, ..)| key == "bytes");
        let stack = format!("{:?} {:?}", sample.stack, sizes.collect::<Vec<_>>());
        add(wholes.entry(stack).or_default(), &sample);
    }
    wholes
}

/// The values of stacks with such a function, by lifetime in milliseconds.
fn by_lifetime(profile: &Profile, name: &str) -> BTreeMap<Option<i64>, [i64; 4]> {
    let mut by_lifetime = BTreeMap::new();
    for sample in profile.all() {
        if sample.stack.iter().any(|frame| frame.name.contains(name)) {
            let is_it = |(key, _, unit): &&(String, i64, String)| {
                key == "lifetime" && unit == "milliseconds"
            };
            let lifetime = sample.numbers.iter().find(is_it);
            let lifetime = lifetime.map(|&(_, milliseconds, _)| milliseconds);
            add(by_lifetime.entry(lifetime).or_default(), &sample);
        }
    }
    by_lifetime
}

fn add(sum: &mut [i64; 4], sample: &Sample) {
    for (sum, value) in sum.iter_mut().zip(&sample.values) {
        *sum += value;
    }
}

fn sum<'a>(values: impl Iterator<Item = &'a [i64; 4]>) -> [i64; 4] {
    values.fold([0; 4], |sum, values| {
        std::array::from_fn(|i| sum[i] + values[i])
    })
}
