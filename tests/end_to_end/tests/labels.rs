//! For whom memory is allocated: labels by closure, guard, future, span and thread,
//! read by `pprof`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use heapprof::{Alloc, LabelLayer, Labels, Snapshot, with_labels};
use heapprof_end_to_end::{Block, Profile, Reader};
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

#[inline(never)]
fn site() -> Block {
    Block::new(10_000)
}

/// Bytes in use at the site under each value of a label; `""` is without it.
fn held_by(key: &str) -> Vec<(String, i64)> {
    let snapshot = Snapshot::take().expect("heapprof is registered");
    let mut held = std::collections::BTreeMap::new();
    for record in snapshot.records() {
        if record.object_size() == 10_240 && record.in_use().bytes != 0 {
            let value = record.labels().find(|&(known, _)| known == key);
            let value = value.map_or("", |(_, value)| value).to_owned();
            *held.entry(value).or_default() += record.in_use().bytes;
        }
    }
    held.into_iter().collect()
}

fn held(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    let mut held: Vec<_> = expected
        .iter()
        .map(|&(value, blocks)| (value.to_owned(), blocks * 10_000))
        .collect();
    held.sort();
    held
}

/// One after the other: labels are the whole process's.
#[test]
fn memory_is_told_by_whom_it_is_for() {
    closures_and_guards();
    futures_keep_theirs_across_threads();
    spans_have_theirs();
    layers_add_up();
    readers_show_them();
    names_of_threads();
    // Last: it leaves no room for others.
    what_finds_no_room_is_other();
}

fn closures_and_guards() {
    let mut blocks = vec![site()];
    with_labels([("route", "/images")], || {
        blocks.push(site());
        // Inside it, another value and another label.
        with_labels([("route", "/icons"), ("tenant", "acme")], || {
            blocks.push(site())
        });
        blocks.push(site());
    });
    let entered = Labels::new([("tenant", "zeta")]).enter();
    blocks.push(site());
    drop(entered);
    blocks.push(site());
    assert_eq!(Labels::current(), Labels::default());
    assert_eq!(
        held_by("route"),
        held(&[("", 3), ("/images", 2), ("/icons", 1)])
    );
    assert_eq!(
        held_by("tenant"),
        held(&[("", 4), ("acme", 1), ("zeta", 1)])
    );

    // Freed by another thread, under other labels: credited to those it was for.
    thread::scope(|scope| {
        scope.spawn(|| with_labels([("route", "/other")], || drop(blocks.split_off(1))));
    });
    assert_eq!(held_by("route"), held(&[("", 1)]));
}

/// Allocates when it is polled, and is ready at the third time.
struct Work {
    blocks: Vec<Block>,
}

impl Future for Work {
    type Output = Vec<Block>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Vec<Block>> {
        self.blocks.push(site());
        if self.blocks.len() < 3 {
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut self.blocks))
    }
}

fn futures_keep_theirs_across_threads() {
    let labels = Labels::new([("job", "resize")]);
    let mut future = Box::pin(labels.on(Work { blocks: Vec::new() }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    assert_eq!(Labels::current(), Labels::default());
    let blocks = thread::spawn(move || {
        let unrelated = site();
        let mut polled = Poll::Pending;
        while polled.is_pending() {
            polled = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
        (polled, unrelated)
    });
    let held_now = blocks.join().expect("the future is ready");
    assert_eq!(held_by("job"), held(&[("", 1), ("resize", 3)]));
    drop(held_now);
}

fn spans_have_theirs() {
    let layer = LabelLayer::new(["route", "status"]);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let request = tracing::info_span!(
            "request",
            route = "/search",
            id = 17,
            status = tracing::field::Empty
        );
        let mut blocks = request.in_scope(|| vec![site()]);
        blocks.push(site());
        request.record("status", 200);
        // A span inside it has no fields of its own; on another thread too.
        let inner = tracing::info_span!(parent: &request, "query");
        thread::scope(|scope| {
            let query = scope.spawn(|| inner.in_scope(site));
            blocks.push(query.join().expect("it allocates"));
        });
        assert_eq!(held_by("route"), held(&[("", 1), ("/search", 2)]));
        assert_eq!(held_by("status"), held(&[("", 2), ("200", 1)]));
        assert_eq!(held_by("id"), held(&[("", 3)]), "not chosen");

        // Left in another order than entered.
        let (first, second) = (
            tracing::info_span!("a", route = "/a").entered(),
            tracing::info_span!("b", route = "/b").entered(),
        );
        drop(first);
        blocks.push(site());
        drop(second);
        blocks.push(site());
        assert_eq!(
            held_by("route"),
            held(&[("", 2), ("/search", 2), ("/b", 1)])
        );
    });
    assert_eq!(Labels::current(), Labels::default());
}

/// Two of them in one subscriber: the program's own, say, and a library's.
fn layers_add_up() {
    let subscriber = tracing_subscriber::registry()
        .with(LabelLayer::new(["route"]))
        .with(LabelLayer::new(["tenant", "status"]));
    tracing::subscriber::with_default(subscriber, || {
        let status = tracing::field::Empty;
        let request = tracing::info_span!("request", route = "/cart", tenant = "acme", status);
        request.record("status", 200);
        let inner = request.in_scope(|| tracing::info_span!("query", tenant = "zeta"));
        let first = request.entered();
        let mut blocks = vec![site(), inner.in_scope(site), site()];
        let second = inner.entered();
        // Left in another order than entered.
        drop(first);
        blocks.push(site());
        drop(second);
        blocks.push(site());
        assert_eq!(held_by("route"), held(&[("", 1), ("/cart", 4)]));
        assert_eq!(held_by("status"), held(&[("", 1), ("200", 4)]));
        assert_eq!(
            held_by("tenant"),
            held(&[("", 1), ("acme", 2), ("zeta", 2)])
        );
    });
    assert_eq!(Labels::current(), Labels::default());
}

fn readers_show_them() {
    let images = with_labels([("route", "/images"), ("tenant", "acme")], site);
    let search = with_labels([("route", "/search")], || [site(), site()]);
    let profile = heapprof::dump_heap().expect("heapprof is registered");
    drop((images, search));

    let directory = TempDir::new().expect("there is room for a directory");
    let file = directory.path().join("heap.pb.gz");
    std::fs::write(&file, profile).expect("the directory takes a file");
    let file = file.to_str().expect("the path is text");
    for reader in Reader::both() {
        let of = |focus: &str| {
            let options = ["-top", "-nodefraction=0", "-unit=B"];
            let top = reader.run(options.into_iter().chain([focus, file]));
            let line = top.lines().find(|line| line.ends_with("labels::site"));
            line.and_then(|line| line.split_whitespace().nth(3).map(str::to_owned))
        };
        assert_eq!(of("-tagfocus=route=/images"), Some("10000B".into()));
        assert_eq!(of("-tagfocus=route=/search"), Some("20000B".into()));
        assert_eq!(of("-tagfocus=tenant=acme"), Some("10000B".into()));
        assert_eq!(of("-tagignore=route"), None);
        let tags = reader.run(["-tags", "-unit=B", file]);
        for (value, bytes) in [("/search", "20000"), ("/images", "10000")] {
            let is_it = |line: &&str| line.trim().starts_with(bytes) && line.ends_with(value);
            assert_eq!(tags.lines().filter(is_it).count(), 1, "{tags}");
        }
        let by_root = reader.run(["-traces", "-tagroot=route", "-unit=B", file]);
        assert!(
            by_root.lines().any(|line| line.trim() == "/images"),
            "{by_root}"
        );
    }
}

fn names_of_threads() {
    let named = |name: &str| {
        let thread = thread::Builder::new().name(name.to_owned());
        let block = thread.spawn(site).expect("there is room for a thread");
        block.join().expect("it allocates")
    };
    let before = named("worker-1");
    heapprof::label_threads(true).expect("heapprof is registered");
    let blocks = [named("worker-1"), named("worker-2"), named("worker-2")];
    heapprof::label_threads(false).expect("heapprof is registered");
    let after = named("worker-3");
    let expected = held(&[("", 2), ("worker-1", 1), ("worker-2", 2)]);
    assert_eq!(held_by("thread"), expected);
    drop((before, blocks, after));
}

fn what_finds_no_room_is_other() {
    let stats = || {
        Snapshot::take()
            .expect("heapprof is registered")
            .stats()
            .clone()
    };
    assert_eq!(stats().refused_labels, 0);
    let mut blocks = Vec::new();
    for request in 0..5_000 {
        with_labels([("request", request.to_string())], || blocks.push(site()));
    }
    let stats = stats();
    assert!(
        (4_096..4_200).contains(&stats.label_sets),
        "{}",
        stats.label_sets
    );
    let held = held_by("request");
    let others = held.iter().find(|(value, _)| value == "[other]");
    let (_, bytes) = others.expect("others are kept together");
    assert_eq!(*bytes, stats.refused_labels.cast_signed() * 10_000);
    assert_eq!(held.iter().map(|(_, bytes)| bytes).sum::<i64>(), 50_000_000);
    let profile = Profile::decode(&heapprof::dump_heap().expect("heapprof is registered"));
    let is_said = |comment: &&str| comment.contains("no room for another set of labels");
    assert_eq!(profile.comments().iter().filter(|c| is_said(c)).count(), 1);
}
