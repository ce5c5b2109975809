//! The peak of a single thread at interval 1 is exact, stack by stack: dhat, which
//! looks at every stack whenever the heap begins to fall from a peak, says the same.

use std::collections::BTreeMap;

use heapprof::{PprofOptions, Snapshot, View};
use heapprof_end_to_end::{BesideDhat, Block, Numbers, Profile, Reader, Values};
use serde_json::Value;
use tempfile::TempDir;

#[global_allocator]
static ALLOC: BesideDhat = BesideDhat::new();

#[inline(never)]
fn site_of_tables(size: usize) -> Block {
    // Functions of equal code would be made one.
    std::hint::black_box("site_of_tables");
    Block::new(size)
}

#[inline(never)]
fn site_of_requests(size: usize) -> Block {
    // Functions of equal code would be made one.
    std::hint::black_box("site_of_requests");
    Block::new(size)
}

#[inline(never)]
fn site_of_caches(size: usize) -> Block {
    // Functions of equal code would be made one.
    std::hint::black_box("site_of_caches");
    Block::new(size)
}

type Site = fn(usize) -> Block;

const SITES: [(&str, Site); 3] = [
    ("site_of_tables", site_of_tables),
    ("site_of_requests", site_of_requests),
    ("site_of_caches", site_of_caches),
];

/// Three waves of blocks at random, of which the second is the highest; each with
/// thousands of small peaks on its way up.
fn waves() {
    let mut numbers = Numbers(7);
    let mut held = Vec::with_capacity(10_000);
    for (steps, growing_of_ten) in [(4_000, 7), (2_500, 2), (6_000, 7), (6_000, 2), (3_000, 7)] {
        for _ in 0..steps {
            if numbers.below(10) < growing_of_ten {
                let (_, site) = SITES[numbers.below(SITES.len())];
                held.push(site(1 + numbers.below(5_000)));
            } else if !held.is_empty() {
                held.swap_remove(numbers.below(held.len()));
            }
        }
    }
}

#[test]
fn dhat_says_the_same_of_the_peak() {
    let directory = TempDir::new().expect("there is room for a directory");
    let by_dhat = directory.path().join("dhat.json");
    let before = Snapshot::take().expect("heapprof is registered");
    heapprof::reset_peak().expect("heapprof is registered");
    let dhat = dhat::Profiler::builder().file_name(&by_dhat).build();
    waves();
    // To read what dhat has to say takes more memory than the peak.
    let snapshot = Snapshot::take().expect("heapprof is registered");
    drop(dhat);

    let expected = peaks_of_dhat(&by_dhat);
    let mut profile = Vec::new();
    snapshot
        .write_pprof(&mut profile, PprofOptions::default().view(View::Peak))
        .expect("a vector takes everything");
    let decoded = Profile::decode(&profile);
    let peaks = SITES.map(|(site, _)| (site, in_use(decoded.sum(site))));
    assert_eq!(BTreeMap::from(peaks), expected);
    assert!(
        expected
            .values()
            .all(|&(blocks, bytes)| blocks > 500 && bytes > 1_000_000)
    );

    // Beside the sites, what was there before and some vectors of the test.
    let sites: i64 = expected.values().map(|(_, bytes)| bytes).sum();
    let stats = snapshot.stats();
    let rest = stats.in_use_at_peak.bytes - sites;
    let (least, most) = (
        before.stats().in_use.bytes,
        before.stats().in_use.bytes + 1_000_000,
    );
    assert!((least..most).contains(&rest), "{rest} bytes of others");
    assert_eq!(stats.in_use_at_peak.standard_error_bytes(), 0.0);
    let when = stats.peak_at.expect("there is a peak");
    assert!(when > before.stats().peak_at.expect("there was one before"));

    let file = directory.path().join("peak.pb.gz");
    std::fs::write(&file, profile).expect("the directory takes a file");
    for reader in Reader::both() {
        let top = reader.top("inuse_space", [&file]);
        for (site, (_, bytes)) in &expected {
            let (_, line) = top
                .iter()
                .find(|(name, _)| name.ends_with(site))
                .expect("every site is in the profile");
            assert_eq!(line.cumulative, *bytes, "{site}");
        }
    }
    let is_said = |comment: &&str| comment.starts_with("heapprof: at its peak, ");
    assert_eq!(decoded.comments().iter().filter(|c| is_said(c)).count(), 1);
}

fn in_use(values: Values) -> (i64, i64) {
    (values.in_use_objects, values.in_use_bytes)
}

/// Blocks and bytes at t-gmax of the stacks that go through each site.
fn peaks_of_dhat(file: &std::path::Path) -> BTreeMap<&'static str, (i64, i64)> {
    let text = std::fs::read_to_string(file).expect("dhat has written its profile");
    let dhat: Value = serde_json::from_str(&text).expect("it is JSON");
    let frames = dhat["ftbl"].as_array().expect("there is a table of frames");
    let points = dhat["pps"].as_array().expect("there are stacks");
    let number = |value: &Value| value.as_i64().expect("figures are whole");
    let peak = |site: &str| {
        let goes_through = |point: &&Value| {
            let stack = point["fs"].as_array().expect("a stack is a list");
            let mut names = stack.iter().map(|frame| &frames[number(frame) as usize]);
            names.any(|name| name.as_str().is_some_and(|name| name.contains(site)))
        };
        let points = points.iter().filter(goes_through);
        points.fold((0, 0), |(blocks, bytes), point| {
            (blocks + number(&point["gbk"]), bytes + number(&point["gb"]))
        })
    };
    SITES.map(|(site, _)| (site, peak(site))).into()
}
