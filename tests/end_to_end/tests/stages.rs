//! Stages of a real program: what each of them held, and what changed between any
//! two, as both versions of `pprof` read it.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use heapprof::{Alloc, PprofOptions, Snapshot};
use heapprof_end_to_end::{Block, Reader};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

#[inline(never)]
fn small() -> Block {
    Block::new(black_box(64))
}

#[inline(never)]
fn large() -> Block {
    Block::new(black_box(8 << 20))
}

#[test]
fn every_stage_and_every_difference_is_a_profile() {
    let mut held: Vec<Block> = Vec::with_capacity(1_000);
    heapprof::stage("empty").expect("the allocator is registered");
    held.extend((0..100).map(|_| small()));
    heapprof::stage("small").expect("the allocator is registered");
    let block = large();
    black_box(&block);
    heapprof::stage("large").expect("the allocator is registered");
    drop(block);
    held.truncate(40);
    let last = heapprof::stage("few are left").expect("the allocator is registered");

    let stages = heapprof::stages();
    let listed: Vec<_> = stages.iter().map(|s| (s.number, s.name.as_str())).collect();
    let expected = [
        (1, "empty"),
        (2, "small"),
        (3, "large"),
        (4, "few are left"),
    ];
    assert_eq!(listed, expected);
    assert!(stages.iter().all(|stage| {
        let snapshot = stages.snapshot(stage.number);
        snapshot.is_some_and(|snapshot| {
            let stats = snapshot.stats();
            (stats.in_use, stats.records) == (stage.in_use, stage.records)
        })
    }));

    // Bytes in use by `small` and `large`.
    let at = |number| stages.snapshot(number).expect("it is kept");
    let between = |earlier, later| at(later).since(&at(earlier));
    for (snapshot, expected) in [
        (at(1), [0, 0]),
        (at(2), [6_400, 0]),
        (at(3), [6_400, 8 << 20]),
        (at(4), [2_560, 0]),
        (between(1, 3), [6_400, 8 << 20]),
        (between(2, 4), [-3_840, 0]),
        (between(3, 4), [-3_840, -8 << 20]),
    ] {
        assert_eq!(in_use(&snapshot), expected);
    }

    let change = last.change.expect("there was a stage before");
    assert!(change.bytes <= -(8 << 20) && change.is_beyond_noise());
    assert!(stages.to_string().contains("beyond the noise"));
    if cfg!(target_os = "linux") {
        let peaks: Vec<_> = stages.iter().map(|s| s.peak_resident_bytes).collect();
        assert!(peaks[0].is_some() && peaks.is_sorted());
        assert!(
            stages
                .iter()
                .all(|s| s.resident_bytes <= s.peak_resident_bytes)
        );
    }
}

/// Bytes by `small` and `large`, as both readers show them.
fn in_use(snapshot: &Snapshot) -> [i64; 2] {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stage.pb.gz");
    let mut bytes = Vec::new();
    snapshot
        .write_pprof(&mut bytes, PprofOptions::default())
        .expect("a vector takes everything");
    fs::write(&path, bytes).expect("the folder is writable");
    let [new, old] = Reader::both().map(|reader| {
        let top = reader.top("inuse_space", [&path]);
        // The block is allocated by a function below.
        ["stages::small", "stages::large"].map(|name| top.get(name).map_or(0, |l| l.cumulative))
    });
    assert_eq!(new, old);
    new
}
