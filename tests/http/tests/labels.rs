//! What a heap profile has if it is asked for: how old memory is, how long it lived,
//! and which thread allocated it. And what may be a leak.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use heapprof_end_to_end::{Block, Profile, Reader};
use heapprof_http::{Answer, Client};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

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

#[inline(never)]
fn site_of_the_worker() -> Block {
    Block::new(7_000)
}

/// One after the other: whether threads are told apart is the whole process's.
#[test]
fn what_is_asked_for_is_there() {
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    let client = Client::new(server.local_addr());
    let get = |target: &str| client.get(&format!("/debug/pprof/{target}"));

    let begun = Instant::now();
    let at_start: Vec<Block> = (0..10).map(|_| site_at_start()).collect();
    what_cannot_be_had_is_told(&get);
    by_age(&client, &get, begun);
    by_lifetime(&client, &get);
    by_thread(&client, &get);
    drop(at_start);
    server.shutdown();
}

fn what_cannot_be_had_is_told(get: &impl Fn(&str) -> Answer) {
    let unit = "must be a time such as 10m (units: ms, s, m, h)";
    for (target, said) in [
        ("heap?labels=size", "must be age or thread"),
        ("heap?labels=age,size", "must be age or thread"),
        ("heap?labels=lifetime", "must be age or thread"),
        ("allocs?labels=age", "must be lifetime or thread"),
        ("allocs?labels=lifetime,age", "must be lifetime or thread"),
        ("allocs?labels=lifetime&seconds=1", "incompatible"),
        ("allocs?labels=lifetime&debug=1", "incompatible"),
        ("peak?labels=lifetime", "must be thread"),
        ("heap?labels=age&seconds=1", "incompatible"),
        ("heap?labels=age&debug=1", "incompatible"),
        ("heap?labels=thread", "heapprof::label_threads(true)"),
        ("leaks?older=10", unit),
        ("leaks?older=0s", unit),
        ("leaks?older=-1s", unit),
        (
            "leaks?seconds=1",
            "\"seconds\" parameter is not supported for this profile type",
        ),
    ] {
        let answer = get(target);
        assert_eq!((answer.status, answer.header("x-go-pprof")), (400, "1"));
        assert!(answer.text().contains(said), "{target}: {}", answer.text());
    }
    // Profiles of anything else know no labels, and what is empty is not there.
    assert_eq!(get("threadcreate?labels=age").status, 200);
    assert_eq!(get("heap?labels=").status, 200);
    // Nothing is ten minutes old.
    assert!(Profile::decode(&get("leaks").body).all().is_empty());
    let page = get("");
    assert!(page.text().contains("href=\"leaks?debug=1\""));
    assert!(page.text().contains("href=\"heap?labels=age\""));
    assert!(page.text().contains("href=\"allocs?labels=lifetime\""));
}

/// What was taken at the start is old and does not grow; the leak is not as old and
/// grows; what is young is neither.
fn by_age(client: &Client, get: &impl Fn(&str) -> Answer, begun: Instant) {
    thread::sleep(Duration::from_millis(1_050).saturating_sub(begun.elapsed()));
    // On a machine that others keep busy, ages may be others when they are looked at.
    let looked_at = (0..10).find_map(|attempt| look(get, begun, attempt));
    let [leaks, text, ages] = looked_at.expect("three requests take less than a second");

    assert_eq!(
        leaks.header("content-disposition"),
        "attachment; filename=\"leaks\""
    );
    let decoded = Profile::decode(&leaks.body);
    let growth = ("growth_space", "bytes");
    assert_eq!(decoded.sample_types().last(), Some(&growth));

    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    let text = text.text();
    assert!(text.starts_with("leaks profile: "), "{text}");
    assert!(text.contains("\n10: 30000 [10: 30000] @ 0x"), "{text}");
    assert!(text.contains("\n0: 0 [10: 50000] @ 0x"), "{text}");
    let [leak, start] = ["site_of_the_leak", "site_at_start"].map(|site| text.find(site));
    assert!(leak.is_some() && leak < start, "{text}");
    assert!(!text.contains("site_just_now"), "{text}");

    let has_ages = |profile: &Profile| {
        let labels = profile.all().into_iter().flat_map(|sample| sample.labels);
        labels.into_iter().any(|(key, _)| key == "age")
    };
    assert!(has_ages(&Profile::decode(&ages.body)));
    assert!(!has_ages(&Profile::decode(&get("heap").body)));

    let directory = tempfile::tempdir().expect("there is room for a directory");
    let [leaks, ages] = [("leaks", &leaks), ("ages", &ages)].map(|(name, answer)| {
        let file = directory.path().join(name);
        fs::write(&file, &answer.body).expect("the directory takes a file");
        file
    });
    for reader in Reader::both() {
        let of = |value: &str, site: &str| reader.cumulative(value, &leaks, site);
        let both = |site| (of("inuse_space", site), of("growth_space", site));
        assert_eq!(both("site_at_start"), (50_000, 0));
        assert_eq!(both("site_of_the_leak"), (30_000, 30_000));
        assert_eq!(both("site_just_now"), (0, 0));

        let [old, young] = ["age=1s:", "age=:1ms"].map(|age| reader.focused(age, &ages));
        assert!(old.contains("site_at_start") && !old.contains("site_of_the_leak"));
        assert!(young.contains("site_of_the_leak") && !young.contains("site_at_start"));
        // As users ask for it.
        let url = client.url("/debug/pprof/heap?labels=age");
        assert!(reader.focused("age=1s:", &url).contains("site_at_start"));
    }
}

/// The leaks, the same as text, and the heap by age; nothing, if that took too long.
fn look(get: &impl Fn(&str) -> Answer, begun: Instant, attempt: u64) -> Option<[Answer; 3]> {
    let leaked: Vec<Block> = (0..10).map(|_| site_of_the_leak()).collect();
    let leaked_since = Instant::now();
    let gap = leaked_since - begun;
    thread::sleep(Duration::from_millis(200 + 50 * attempt));
    let young = site_just_now();
    // Clock ticks are 10 ms at most.
    let older = leaked_since.elapsed() - Duration::from_millis(20);
    let leaks = format!("leaks?older={}ms", older.as_millis());
    let text = format!("{leaks}&debug=1");
    let answers = [&*leaks, &*text, "heap?labels=age"].map(get);
    let took = leaked_since.elapsed();
    drop((leaked, young));
    let is_in_time = older < gap && took < older * 2 && took < Duration::from_secs(1);
    is_in_time.then_some(answers)
}

/// What was freed has a lifetime, and is all that has one.
fn by_lifetime(client: &Client, get: &impl Fn(&str) -> Answer) {
    let answer = get("allocs?labels=lifetime");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"allocs\""
    );
    let profile = Profile::decode(&answer.body);
    assert_eq!(profile.default_sample_type(), "alloc_space");
    let bytes_of = |site: &str, is_labelled: bool| -> i64 {
        let of_site = profile.all().into_iter().filter(|sample| {
            let labels = &mut sample.labels.iter();
            labels.any(|(key, _)| key == "lifetime") == is_labelled
                && sample.stack.iter().any(|frame| frame.name.contains(site))
        });
        of_site.map(|sample| sample.values[1]).sum()
    };
    assert_eq!(bytes_of("site_at_start", true), 0);
    assert_eq!(bytes_of("site_at_start", false), 50_000);
    assert_eq!(bytes_of("site_just_now", true) % 1_000, 0);
    assert!(bytes_of("site_just_now", true) > 0);
    assert_eq!(bytes_of("site_just_now", false), 0);

    // As users ask for it.
    let url = client.url("/debug/pprof/allocs?labels=lifetime");
    for reader in Reader::both() {
        let freed = reader.focused("lifetime=:3600s", &url);
        assert!(freed.contains("site_just_now") && !freed.contains("site_at_start"));
        let freed_late = reader.focused("lifetime=3600s:", &url);
        assert!(!freed_late.contains("site_just_now"), "{freed_late}");
    }
}

fn by_thread(client: &Client, get: &impl Fn(&str) -> Answer) {
    heapprof::label_threads(true).expect("heapprof is registered");
    let worker = thread::Builder::new().name("worker-7".into());
    let block = worker.spawn(site_of_the_worker).expect("a thread starts");
    let block = block.join().expect("it allocates");
    for target in [
        "heap?labels=thread",
        "allocs?labels=thread",
        "heap?labels=thread,age",
    ] {
        assert_eq!(get(target).status, 200);
        let url = client.url(&format!("/debug/pprof/{target}"));
        for reader in Reader::both() {
            let of_worker = reader.focused("thread=worker-7", &url);
            assert!(of_worker.contains("site_of_the_worker"), "{of_worker}");
            assert!(!of_worker.contains("site_at_start"), "{of_worker}");
        }
    }
    drop(block);
}
