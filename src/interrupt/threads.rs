//! The stack of every thread, captured by each of them in the handler of a signal
//! that the program does not use.

use std::collections::HashMap;
use std::ffi::c_void;
use std::mem;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::signal::{self, Reserved};
use super::{Captured, Interrupted, hand_over, room_for};
use crate::record::capture::modules;
use crate::record::handoff::Handoff;
use crate::record::lease::Lease;
use crate::record::recorder::RECORDER;
use crate::tasks::Task;

/// So many threads are asked at once.
const ROOM: usize = 256;
/// After so long, who did not answer is left out.
const DEADLINE: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_micros(200);

static STACKS: OnceLock<Handoff<Interrupted>> = OnceLock::new();
static ONE_AT_A_TIME: Lease = Lease::new();

/// What became of asking a thread.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Stack(Captured),
    /// It blocks the signal, and was not asked.
    Blocks,
    /// It did not answer in time.
    Silent,
    /// It had ended before it was asked, or its number was given to another.
    Ended,
}

/// Asks every one of these threads for its stack: one answer for each, in their
/// order. `None` if the program uses every real-time signal.
pub(crate) fn ask(threads: &[Task]) -> Option<Vec<Answer>> {
    let generation = RECORDER.process_generation();
    let _one = loop {
        match ONE_AT_A_TIME.try_take(generation) {
            Some(one) => break one,
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    modules::refresh(generation);
    let stacks = STACKS.get_or_init(|| room_for(ROOM));
    let round = stacks.begin_round();
    let signal = Reserved::take(signal::unused_realtime()?, at_signal)?;

    let deadline = Instant::now() + DEADLINE;
    let mut to_ask = threads.iter().enumerate();
    let mut answers = vec![Answer::Silent; threads.len()];
    let mut waiting = HashMap::new();
    loop {
        stacks.take(round, generation, |answer| {
            if let Some(index) = waiting.remove(&answer.thread) {
                answers[index] = Answer::Stack(Captured::of(&answer.stack));
            }
        });
        while waiting.len() < ROOM
            && let Some((index, thread)) = to_ask.next()
        {
            if thread.blocks(signal.signal()) {
                answers[index] = Answer::Blocks;
            } else {
                match send(thread.id, signal.signal(), round) {
                    Ok(()) => {
                        waiting.insert(thread.id, index);
                    }
                    Err(libc::ESRCH) => answers[index] = Answer::Ended,
                    // There is no place for one more signal.
                    Err(_) => {}
                }
            }
        }
        if waiting.is_empty() && to_ask.len() == 0 || Instant::now() >= deadline {
            return Some(answers);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

extern "C" fn at_signal(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(stacks) = STACKS.get() else { return };
    // SAFETY: the kernel's own.
    let sent = unsafe { &*info.cast::<Sent>() };
    // SAFETY: asks for a number.
    let is_ours = sent.code == libc::SI_QUEUE && sent.process == unsafe { libc::getpid() };
    if is_ours && sent.round == stacks.round() {
        // SAFETY: it is a signal's handler that we are in.
        unsafe { hand_over(stacks, sent.round, context) };
    }
}

/// `siginfo_t` as the kernel lays it out for signals that are sent with a value.
#[repr(C)]
struct Sent {
    signal: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    _padding: libc::c_int,
    process: libc::pid_t,
    user: libc::uid_t,
    /// A pointer, or what else is as wide.
    round: u64,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<Sent>() == size_of::<libc::siginfo_t>());
const _: () = assert!(mem::offset_of!(Sent, process) == 16 && mem::offset_of!(Sent, round) == 24);

/// Sends a thread the signal, or returns the error's number.
fn send(thread: libc::pid_t, signal: libc::c_int, round: u64) -> Result<(), libc::c_int> {
    // SAFETY: ask for numbers.
    let (process, user) = unsafe { (libc::getpid(), libc::getuid()) };
    let sent = Sent {
        signal,
        errno: 0,
        code: libc::SI_QUEUE,
        _padding: 0,
        process,
        user,
        round,
        _rest: [0; 12],
    };
    // SAFETY: reads our own variable, which is laid out as the kernel expects it, and
    // then one of this thread's.
    unsafe {
        let sent = &raw const sent;
        match libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, sent) {
            0 => Ok(()),
            _ => Err(*libc::__errno_location()),
        }
    }
}
