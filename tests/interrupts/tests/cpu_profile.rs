//! CPU time goes where it went: to the right functions, lines and threads, code of
//! the C library included; and nothing is left behind.

#![cfg(target_os = "linux")]

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use heapprof::http::Cancellation;
use heapprof_end_to_end::Reader;
use heapprof_interrupts::{get, get_until, profile, wait_for};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

/// One profile at a time; the tests of this program run side by side.
static TURN: Mutex<()> = Mutex::new(());

macro_rules! work_of {
    ($name:ident, $rounds:expr) => {
        #[inline(never)]
        fn $name(seed: u64) -> u64 {
            let mut state = seed;
            for round in 0..$rounds {
                state = black_box(state ^ round).wrapping_mul(0x2545_F491_4F6C_DD1D);
            }
            state
        }
    };
}

work_of!(one_part, 20_000_u64);
work_of!(three_parts, 60_000_u64);
const WORK_LINE: i64 = line!() as i64 - 2;

#[inline(never)]
fn copies(from: &[u8], to: &mut [u8]) {
    for _ in 0..8 {
        black_box(&mut *to).copy_from_slice(black_box(from));
    }
}

/// Calls `f` while a thread of this name does all three.
fn while_working<R>(name: &str, f: impl FnOnce() -> R) -> R {
    let ends = AtomicBool::new(false);
    let work = || {
        let (from, mut to) = (vec![1; 1 << 20], vec![0; 1 << 20]);
        let mut state = 1;
        while !ends.load(Ordering::Relaxed) {
            state = three_parts(one_part(state));
            copies(&from, &mut to);
        }
    };
    thread::scope(|scope| {
        let builder = thread::Builder::new().name(name.to_owned());
        builder.spawn_scoped(scope, work).expect("a thread");
        let result = f();
        ends.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn time_is_where_it_was_spent() {
    let _turn = TURN.lock();
    let (profile, bytes) = while_working("worker", || profile("profile?seconds=3"));
    assert_eq!(
        profile.sample_types(),
        [("samples", "count"), ("cpu", "nanoseconds")]
    );
    assert_eq!(profile.period(), ("cpu", "nanoseconds", 10_000_000));
    assert_eq!(profile.time_and_duration().1, 3_000_000_000);
    assert!(profile.misplaced_addresses().is_empty());

    let all = profile.all();
    let mut counts = [0; 3];
    let names = ["one_part", "three_parts", "copies"];
    for sample in &all {
        assert_eq!(sample.values[1], sample.values[0] * 10_000_000);
        let ours = |name: &str| sample.stack.iter().position(|f| f.name.ends_with(name));
        for (name, count) in names.iter().zip(&mut counts) {
            let Some(at) = ours(name) else { continue };
            *count += sample.values[0];
            assert_eq!(sample.labels, [("thread".to_owned(), "worker".to_owned())]);
            assert!(ours("start_thread").is_some(), "{:?}", sample.stack);
            // What was interrupted comes first, and not one of the handler's frames.
            if at == 0 && *name != "copies" {
                let line = sample.stack[0].line;
                assert!((WORK_LINE - 15..=WORK_LINE + 2).contains(&line), "{line}");
            }
        }
    }
    let [one, three, copied] = counts;
    println!("{one} {three} {copied} of {} samples", all.len());
    // The kernel's tick decides how many there are; six sigmas of the shares.
    let both = (one + three) as f64;
    assert!(both > 20.0, "{counts:?}");
    let share = one as f64 / both;
    let sigma = (0.25 * 0.75 / both).sqrt();
    assert!((share - 0.25).abs() < 6.0 * sigma + 0.02, "{counts:?}");
    assert!(copied > 0, "memcpy is the C library's: {counts:?}");
    let comments = profile.comments();
    assert!(
        comments
            .iter()
            .any(|c| c.contains("by the kernel's account")),
        "{comments:?}"
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &bytes).unwrap();
    for reader in Reader::both() {
        let top = reader.run(["-top".as_ref(), file.path().as_os_str()]);
        assert!(top.contains("three_parts"), "{top}");
        let lines = reader.run(["-list=three_parts".as_ref(), file.path().as_os_str()]);
        assert!(lines.contains("cpu_profile.rs"), "{lines}");
        let picture = reader.bytes(["-png".as_ref(), file.path().as_os_str()]);
        assert!(picture.starts_with(b"\x89PNG"));
    }
}

fn timer_is_armed() -> bool {
    // SAFETY: fills in a variable of this thread's, for which zeros are a value.
    let timer = unsafe {
        let mut timer: libc::itimerval = std::mem::zeroed();
        libc::getitimer(libc::ITIMER_PROF, &raw mut timer);
        timer
    };
    timer.it_interval.tv_usec != 0
}

#[test]
fn one_at_a_time_and_whoever_goes_away_ends_it() {
    let _turn = TURN.lock();
    let cancellation = Cancellation::default();
    let begun = Instant::now();
    thread::scope(|scope| {
        let first = scope.spawn(|| get_until("profile?seconds=60", &cancellation));
        wait_for(timer_is_armed);
        let (status, body) = get("profile?seconds=1");
        assert_eq!(status, 500);
        assert_eq!(
            String::from_utf8_lossy(&body),
            "Could not enable CPU profiling: cpu profiling already in use\n"
        );
        cancellation.cancel();
        assert_eq!(first.join().unwrap().0, 500);
    });
    assert!(begun.elapsed() < Duration::from_secs(50));
    assert_eq!(get("profile?seconds=1").0, 200);
}

#[test]
fn signal_and_timer_are_left_as_they_were() {
    let _turn = TURN.lock();
    extern "C" fn of_the_program(_: libc::c_int) {}
    let set = |handler: libc::sighandler_t| {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGPROF, handler) }
    };
    let own = of_the_program as *const () as libc::sighandler_t;
    assert_eq!(set(own), libc::SIG_DFL, "after every other profile too");
    let refused = |why: &str| {
        let (status, body) = get("profile?seconds=1");
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(status == 500 && body.contains(why), "{status} {body}");
    };
    refused("SIGPROF");
    assert_eq!(set(libc::SIG_DFL), own, "it was not touched");

    let set_timer = |seconds| {
        let never = libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        let then = libc::timeval {
            tv_sec: seconds,
            tv_usec: 0,
        };
        let timer = libc::itimerval {
            it_interval: never,
            it_value: then,
        };
        // SAFETY: reads our own variable.
        let set = unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) };
        assert_eq!(set, 0);
    };
    set_timer(1_000_000);
    refused("ITIMER_PROF");
    set_timer(0);
    assert_eq!(get("profile?seconds=1").0, 200);
}
