//! What the CPU time goes to: while somebody asks, the kernel sends SIGPROF to the
//! thread that is running whenever the process has used so much more of it.

use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::signal::Reserved;
use super::{Captured, Interrupted, hand_over, room_for};
use crate::record::capture::modules;
use crate::record::handoff::Handoff;
use crate::record::lease::Lease;
use crate::record::recorder::RECORDER;
use crate::tasks;

/// Stacks that wait to be taken. The kernel sends no more than one signal a tick, of
/// which there are at most 1000 in a second.
const ROOM: usize = 128;
/// So often they are taken.
const TAKE_EVERY: Duration = Duration::from_millis(50);

static SAMPLES: OnceLock<Handoff<Interrupted>> = OnceLock::new();
/// Samples that found no room.
static LOST: AtomicU64 = AtomicU64::new(0);
/// Held by the one who samples.
static ONE_AT_A_TIME: Lease = Lease::new();

/// How often each stack was met.
#[derive(Debug)]
pub(crate) struct CpuTime {
    pub(crate) counts: HashMap<Sampled, u64>,
    pub(crate) started_at: SystemTime,
    pub(crate) duration: Duration,
    /// That all threads used meanwhile, by the kernel's account.
    pub(crate) used: Duration,
    pub(crate) lost_samples: u64,
}

/// A stack, and whose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sampled {
    pub(crate) stack: Captured,
    /// The name of the thread, if it was still there to be asked.
    pub(crate) thread: Option<String>,
}

/// Why there is no profile.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure<E> {
    AlreadyInUse,
    SignalInUse,
    TimerInUse,
    /// What the wait ended with.
    Ended(E),
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Go's words.
            Self::AlreadyInUse => f.write_str("cpu profiling already in use"),
            Self::SignalInUse => f.write_str(
                "this program handles SIGPROF itself, or another CPU profiler is at work in it",
            ),
            Self::TimerInUse => f.write_str("this program uses the timer ITIMER_PROF itself"),
            Self::Ended(why) => why.fmt(f),
        }
    }
}

/// Samples for so long, every `period` of CPU time. `wait` waits, or says why to stop.
pub(crate) fn sample<E>(
    period: Duration,
    duration: Duration,
    mut wait: impl FnMut(Duration) -> Result<(), E>,
) -> Result<CpuTime, Failure<E>> {
    let generation = RECORDER.process_generation();
    let Some(_one) = ONE_AT_A_TIME.try_take(generation) else {
        return Err(Failure::AlreadyInUse);
    };
    modules::refresh(generation);
    let samples = SAMPLES.get_or_init(|| room_for(ROOM));
    let round = samples.begin_round();
    LOST.store(0, Ordering::Relaxed);
    if timer_is_armed() {
        return Err(Failure::TimerInUse);
    }
    let _signal = Reserved::take(libc::SIGPROF, at_signal).ok_or(Failure::SignalInUse)?;
    let mut counts = HashMap::new();
    let mut names = HashMap::new();
    let started_at = SystemTime::now();
    let used_before = cpu_time();
    let _timer = Timer::start(period);

    let mut left = duration;
    while !left.is_zero() {
        let now = left.min(TAKE_EVERY);
        wait(now).map_err(Failure::Ended)?;
        left -= now;
        samples.take(round, generation, |sample| {
            let name = names
                .entry(sample.thread)
                .or_insert_with(|| tasks::name(sample.thread));
            let sampled = Sampled {
                stack: Captured::of(&sample.stack),
                thread: name.clone(),
            };
            *counts.entry(sampled).or_insert(0) += 1;
        });
    }
    Ok(CpuTime {
        counts,
        started_at,
        duration,
        used: cpu_time().saturating_sub(used_before),
        lost_samples: LOST.load(Ordering::Relaxed),
    })
}

extern "C" fn at_signal(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(samples) = SAMPLES.get() else { return };
    // SAFETY: it is a signal's handler that we are in.
    if !unsafe { hand_over(samples, samples.round(), context) } {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs until it is dropped.
struct Timer;

impl Timer {
    fn start(every: Duration) -> Self {
        set_timer(every);
        Self
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        set_timer(Duration::ZERO);
    }
}

fn set_timer(every: Duration) {
    let every = libc::timeval {
        tv_sec: every.as_secs() as libc::time_t,
        tv_usec: every.subsec_micros() as libc::suseconds_t,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: reads our own variable.
    unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, ptr::null_mut()) };
}

fn timer_is_armed() -> bool {
    // SAFETY: fills in our own variable, for which zeros are a value.
    let timer = unsafe {
        let mut timer: libc::itimerval = mem::zeroed();
        libc::getitimer(libc::ITIMER_PROF, &mut timer);
        timer
    };
    (timer.it_value.tv_sec, timer.it_value.tv_usec) != (0, 0)
}

/// Of all threads of this process.
fn cpu_time() -> Duration {
    // SAFETY: fills in our own variable, for which zeros are a value.
    let time = unsafe {
        let mut time: libc::timespec = mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time);
        time
    };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
