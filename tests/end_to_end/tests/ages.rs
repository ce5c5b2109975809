//! How old what is in use is, and what of it may be a leak, read by `pprof`.

use std::thread;
use std::time::{Duration, Instant};

use heapprof::Alloc;
use heapprof_end_to_end::{Block, Profile, Reader};
use tempfile::TempDir;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

#[inline(never)]
fn site_at_start() -> Block {
    Block::new(5_000)
}

#[inline(never)]
fn site_of_the_leak() -> Block {
    Block::new(3_000)
}

#[inline(never)]
fn site_just_now() -> Block {
    Block::new(1_000)
}

/// What was taken at the start is old and does not grow; the leak is not as old and
/// grows; what is young is neither.
#[test]
fn ages_and_leaks_are_told_apart() {
    let directory = TempDir::new().expect("there is room for a directory");
    let begun = Instant::now();
    let at_start: Vec<Block> = (0..10).map(|_| site_at_start()).collect();
    // A machine that sleeps longer than it is told to shifts everything; so the test
    // goes by what it measures, and again where that is not what it needs.
    let (mut leaked, mut leaked_since, mut gap);
    loop {
        thread::sleep(Duration::from_millis(1_050).saturating_sub(begun.elapsed()));
        leaked = (0..10).map(|_| site_of_the_leak()).collect::<Vec<Block>>();
        leaked_since = Instant::now();
        gap = leaked_since - begun;
        thread::sleep(Duration::from_millis(200));
        if leaked_since.elapsed() < Duration::from_millis(600) {
            break;
        }
    }
    let just_now = site_just_now();
    // Clock ticks are 10 ms at most.
    let older = leaked_since.elapsed() - Duration::from_millis(20);
    assert!(older < gap);
    let leaks = heapprof::dump_leaks(older).expect("heapprof is registered");
    let ages = heapprof::dump_ages().expect("heapprof is registered");
    let took = leaked_since.elapsed();
    drop((at_start, leaked, just_now));

    let decoded = Profile::decode(&leaks);
    let growth = ("growth_space", "bytes");
    assert_eq!(decoded.sample_types().last(), Some(&growth));
    let files = [("leaks", &leaks), ("ages", &ages)].map(|(name, profile)| {
        let file = directory.path().join(name);
        std::fs::write(&file, profile).expect("the directory takes a file");
        file
    });
    for reader in Reader::both() {
        let of = |value: &str, site: &str| reader.cumulative(value, &files[0], site);
        assert_eq!(of("inuse_space", "site_at_start"), 50_000);
        assert_eq!(of("growth_space", "site_at_start"), 0);
        assert_eq!(of("inuse_space", "site_of_the_leak"), 30_000);
        assert_eq!(of("growth_space", "site_of_the_leak"), 30_000);
        assert_eq!(of("inuse_space", "site_just_now"), 0);

        if took < Duration::from_secs(1) {
            let [old, young] = ["age=1s:", "age=:1ms"].map(|age| reader.focused(age, &files[1]));
            assert!(old.contains("site_at_start") && !old.contains("site_of_the_leak"));
            assert!(young.contains("site_of_the_leak") && !young.contains("site_at_start"));
            assert!(young.contains("site_just_now"));
        }
    }
    let all = Profile::decode(&ages);
    assert_eq!(all.sum("site_of_the_leak").in_use_bytes, 30_000);
    assert_eq!(all.sum("site_of_the_leak").alloc_bytes % 30_000, 0);
    let heap = Profile::decode(&heapprof::dump_heap().expect("heapprof is registered"));
    assert!(
        heap.sample_count("site_at_start") == 1,
        "no ages unless asked for"
    );
}
