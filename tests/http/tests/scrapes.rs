//! A thousand clients at once, while the program allocates as fast as it can.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use heapprof::Snapshot;
use heapprof_end_to_end::{Block, Profile, Values};
use heapprof_http::Client;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

const CLIENTS: u64 = 1_000;
const BLOCK: usize = 4_321;
const KEPT: i64 = 500;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

#[inline(never)]
fn allocate() -> Block {
    ALLOCATED.fetch_add(1, Ordering::Relaxed);
    Block::new(black_box(BLOCK))
}

#[test]
fn every_answer_is_whole_and_no_sample_is_lost() {
    // A table of samples that is full loses what comes while it grows, if the thread
    // that grows it is interrupted; and at interval 1 a thousand threads fill the first.
    drop(black_box((0..40_000).map(Box::new).collect::<Vec<_>>()));
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    let client = Client::new(server.local_addr());
    let kept: Vec<Block> = (0..KEPT).map(|_| allocate()).collect();
    let stop = AtomicBool::new(false);
    let (served, refused) = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    black_box(allocate());
                }
            });
        }
        let scrapes: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || scrape(&client, number)))
            .collect();
        let answers: Vec<_> = scrapes.into_iter().map(|scrape| scrape.join()).collect();
        stop.store(true, Ordering::Relaxed);
        let whole = answers
            .into_iter()
            .map(|answer| answer.expect("a whole answer"));
        let (served, refused): (Vec<_>, Vec<_>) = whole.partition(|&is_served| is_served);
        (served.len(), refused.len())
    });
    println!("{served} served, {refused} told to come again");
    assert!(served > 0);
    server.shutdown();

    let stats = Snapshot::take()
        .expect("the allocator is registered")
        .stats()
        .clone();
    assert_eq!(stats.lost_samples, 0, "{stats:?}");
    let profile = heapprof::dump_heap().expect("the allocator is registered");
    let figures = Profile::decode(&profile).sum("scrapes::allocate");
    let allocated = i64::try_from(ALLOCATED.load(Ordering::Relaxed)).expect("a count");
    let block = BLOCK as i64;
    let expected = Values {
        alloc_objects: allocated,
        alloc_bytes: allocated * block,
        in_use_objects: KEPT,
        in_use_bytes: KEPT * block,
    };
    assert_eq!(figures, expected);
    drop(kept);
}

/// Whether it was served. Fails if what was sent is neither a whole profile nor a
/// refusal that says when to come again.
fn scrape(client: &Client, number: u64) -> bool {
    let target = match number % 4 {
        0 => "/debug/pprof/allocs",
        1 => "/debug/pprof/heap?debug=1",
        _ => "/debug/pprof/heap",
    };
    let answer = client.get(target);
    match answer.status {
        200 if target.ends_with("debug=1") => {
            assert!(answer.text().contains("\n# runtime.MemStats\n"));
            true
        }
        200 => {
            let kept = Profile::decode(&answer.body).sum("scrapes::allocate");
            assert!(kept.in_use_objects >= KEPT, "{kept:?}");
            true
        }
        503 => {
            assert!(!answer.header("retry-after").is_empty());
            false
        }
        _ => panic!("{answer:?}"),
    }
}
