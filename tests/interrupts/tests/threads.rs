//! Every thread's stack, whatever it is doing, and nothing is done to it.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use heapprof_end_to_end::{Reader, scale};
use heapprof_hostile::posix::Thread;
use heapprof_interrupts::{ThreadInRead, profile, text, wait_for};

/// Every allocation is a sample: the recorder is interrupted as well.
#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

const ROUNDS: usize = 20;
/// Of threads that the machine had no time for.
const SILENT: &str = "[no stack: did not answer in time]";

/// The stacks of the threads of this name: functions, innermost first.
fn stacks(name: &str) -> Vec<Vec<String>> {
    let (profile, _) = profile("goroutine");
    let of_name = |sample: &heapprof_end_to_end::decode::Sample| {
        sample.labels == [("thread".to_owned(), name.to_owned())]
    };
    let samples = profile.all().into_iter().filter(of_name);
    samples
        .flat_map(|sample| {
            let stack: Vec<_> = sample.stack.into_iter().map(|f| f.name).collect();
            vec![stack; usize::try_from(sample.values[0]).expect("they are counted")]
        })
        .collect()
}

fn has(stack: &[String], name: &str) -> bool {
    stack.iter().any(|function| function.contains(name))
}

#[test]
fn a_thread_in_a_system_call_goes_on_waiting() {
    let reader = ThreadInRead::start("in a read");
    let mut answers = 0;
    while answers < ROUNDS {
        let [stack] = &stacks("in a read")[..] else {
            panic!("one thread of the name")
        };
        if stack == &[SILENT] {
            continue;
        }
        answers += 1;
        assert!(stack[0].contains("read"), "{stack:?}");
        assert!(has(stack, "heapprof_interrupts::wait_in_read"), "{stack:?}");
        assert!(
            stack.last().is_some_and(|last| !last.starts_with('[')),
            "down to its root: {stack:?}"
        );
    }
    reader.end();
}

#[test]
fn a_thread_that_blocks_the_signal_is_counted_and_left_alone() {
    static ENDS: AtomicBool = AtomicBool::new(false);
    let body = || {
        // SAFETY: sets this thread's own mask from a variable of its own.
        unsafe {
            let mut all = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
        }
        wait_for(|| ENDS.load(Ordering::Relaxed));
        // Nothing was sent to it.
        // SAFETY: fills in a variable of this thread's.
        unsafe {
            let mut pending = std::mem::zeroed();
            libc::sigpending(&mut pending);
            (libc::SIGRTMIN()..=libc::SIGRTMAX())
                .filter(|&signal| libc::sigismember(&pending, signal) == 1)
                .count()
        }
    };
    let thread = thread::Builder::new().name("blocks".into());
    let thread = thread.spawn(body).unwrap();
    let note = "[no stack: blocks the signal that asks for it]";
    wait_for(|| stacks("blocks") == [[note]]);
    let (profile, _) = profile("goroutine");
    let said = format!("threads: {note}");
    assert!(profile.comments().iter().any(|c| c.ends_with(&said)));
    ENDS.store(true, Ordering::Relaxed);
    assert_eq!(thread.join().unwrap(), 0);
}

#[test]
fn the_smallest_stack_there_is_is_large_enough() {
    static ROUND: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn body(_: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: names this thread.
        unsafe { libc::pthread_setname_np(libc::pthread_self(), c"small".as_ptr()) };
        while ROUND.load(Ordering::Relaxed) < ROUNDS {
            std::hint::spin_loop();
        }
        std::ptr::null_mut()
    }
    let thread = Thread::start(body, libc::PTHREAD_STACK_MIN);
    wait_for(|| !stacks("small").is_empty());
    for _ in 0..ROUNDS {
        let [stack] = &stacks("small")[..] else {
            panic!("one thread of the name")
        };
        assert!(has(stack, "body") || stack[0].starts_with('['), "{stack:?}");
        ROUND.fetch_add(1, Ordering::Relaxed);
    }
    thread.join();
}

#[test]
fn two_hundred_threads_that_come_and_go() {
    static ENDS: AtomicBool = AtomicBool::new(false);
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let builder = thread::Builder::new().name("one of many".into());
            builder
                .spawn(|| wait_for(|| ENDS.load(Ordering::Relaxed)))
                .unwrap()
        })
        .collect();
    let coming_and_going = thread::spawn(|| {
        while !ENDS.load(Ordering::Relaxed) {
            let short =
                [(); 8].map(|()| thread::spawn(|| std::hint::black_box(vec![1; 100]).len()));
            assert_eq!(short.map(|thread| thread.join().unwrap()), [100; 8]);
        }
    });
    // A thread gives itself its name.
    wait_for(|| stacks("one of many").len() == 200);
    let mut with_stack = 0;
    for _ in 0..ROUNDS {
        let stacks = stacks("one of many");
        assert_eq!(stacks.len(), 200, "all are counted");
        with_stack += stacks.iter().filter(|stack| has(stack, "wait_for")).count();
    }
    println!("{with_stack} of {} with their stacks", 200 * ROUNDS);
    assert!(with_stack > 200 * ROUNDS / 2);
    ENDS.store(true, Ordering::Relaxed);
    waiting
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    coming_and_going.join().unwrap();
}

#[test]
fn threads_in_the_middle_of_malloc_and_of_a_sample() {
    static ENDS: AtomicBool = AtomicBool::new(false);
    static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
    let allocate = || {
        while !ENDS.load(Ordering::Relaxed) {
            let mut blocks = Vec::new();
            for size in 1..200_usize {
                blocks.push(std::hint::black_box(vec![1_u8; size * 7]));
            }
            ALLOCATED.fetch_add(blocks.iter().map(Vec::len).sum(), Ordering::Relaxed);
        }
    };
    let threads = [(); 2].map(|()| {
        let builder = thread::Builder::new().name("in malloc".into());
        builder.spawn(allocate).unwrap()
    });
    let mut places = std::collections::BTreeMap::new();
    for _ in 0..ROUNDS * usize::try_from(scale()).unwrap() {
        for stack in stacks("in malloc") {
            let innermost = stack.first().cloned().unwrap_or_default();
            *places.entry(innermost).or_insert(0) += 1;
        }
    }
    println!("{places:?}");
    assert!(places.len() > 3, "{places:?}");
    ENDS.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert!(ALLOCATED.load(Ordering::Relaxed) > 0);
    // The other tests' threads may be amid counting; nothing stays half counted.
    wait_for(|| {
        let stats = heapprof::Snapshot::take().unwrap().stats().clone();
        assert_eq!(stats.lost_samples, 0);
        stats.torn_reads == 0
    });
}

#[test]
fn the_texts_are_gos() {
    let readers = [(); 3].map(|()| ThreadInRead::start("a b \"c\""));
    let mut grouped = String::new();
    wait_for(|| {
        grouped = text("goroutine?debug=1");
        let group = grouped
            .split("\n\n")
            .find(|group| group.contains("wait_in_read"));
        let count = group.and_then(|group| {
            let mut lines = group.lines();
            let head = lines.find(|line| line.contains(" @ 0x"))?;
            let named = |line: &str| line.starts_with("#\t0x") && line.contains("lib.rs:");
            lines.any(named).then_some(head.split(' ').next()?)
        });
        count.is_some_and(|count| count.parse::<usize>().unwrap() >= 3)
    });
    let head = grouped.lines().next().unwrap();
    let total = head.strip_prefix("goroutine profile: total ").unwrap();
    assert!(total.parse::<usize>().unwrap() >= 4, "{grouped}");

    let heads = "\"a b \\\"c\\\"\" [sleeping]:\n";
    wait_for(|| {
        let listed = text("goroutine?debug=2");
        let ours: Vec<_> = listed
            .split("\n\n")
            .filter(|thread| thread.starts_with("thread ") && thread.contains(heads))
            .collect();
        assert_eq!(ours.len(), 3, "{listed}");
        let is_whole =
            |thread: &&str| thread.contains("wait_in_read\n\t") && thread.contains("lib.rs:");
        ours.iter().all(is_whole)
    });

    // Both kinds are profiles to pprof; the text has names in comments alone.
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_, bytes) = profile("goroutine");
    let without_stacks = text("threadcreate?debug=1");
    for (content, name) in [
        (&bytes[..], "Type: goroutine"),
        (grouped.as_bytes(), "Type: goroutine"),
        (without_stacks.as_bytes(), "Type: threadcreate"),
    ] {
        std::fs::write(&file, content).unwrap();
        for reader in Reader::both() {
            let top = reader.run(["-top".as_ref(), "-cum".as_ref(), file.path().as_os_str()]);
            assert!(top.contains(name), "{top}");
        }
    }
    readers.into_iter().for_each(ThreadInRead::end);
}

#[test]
fn numbers_alone() {
    let (profile, _) = profile("threadcreate");
    assert_eq!(profile.sample_types(), [("threadcreate", "count")]);
    let [all] = &profile.all()[..] else {
        panic!("one record")
    };
    assert!(all.stack.is_empty() && all.values[0] >= 2);
    assert!(text("threadcreate?debug=1").starts_with("threadcreate profile: total "));
    assert_eq!(
        text("block?debug=1"),
        "--- contention:\ncycles/second=1000000000\n"
    );
    assert_eq!(
        text("mutex?debug=1"),
        "--- mutex:\ncycles/second=1000000000\nsampling period=0\n"
    );
    for name in ["block", "mutex"] {
        let (profile, bytes) = heapprof_interrupts::profile(name);
        let types = [("contentions", "count"), ("delay", "nanoseconds")];
        assert_eq!(profile.sample_types(), types);
        assert!(profile.all().is_empty());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, bytes).unwrap();
        for reader in Reader::both() {
            reader.run(["-raw".as_ref(), file.path().as_os_str()]);
        }
    }
}

/// What came and what went between two moments.
#[test]
fn a_delta_counts_both_ways() {
    let leaves = ThreadInRead::start("leaves");
    let delta = thread::spawn(|| profile("goroutine?seconds=2").0);
    thread::sleep(std::time::Duration::from_secs(1));
    leaves.end();
    let comes = ThreadInRead::start("comes");
    let profile = delta.join().unwrap();
    let count = |name: &str| -> i64 {
        let samples = profile.all().into_iter();
        let named = samples.filter(|s| s.labels.iter().any(|(_, text)| text == name));
        named.map(|sample| sample.values[0]).sum()
    };
    assert_eq!((count("leaves"), count("comes")), (-1, 1));
    assert!(profile.time_and_duration().1 >= 2_000_000_000);
    comes.end();
}
