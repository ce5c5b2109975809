//! THE SECOND BRIDGE: stacks of threads that a signal interrupts, for the profiles
//! of CPU time ([`cpu`]) and of threads ([`threads`]).
//!
//! The handlers capture on the profiler's own stack, with the unwinder that runs
//! inside malloc, and so may interrupt anything: they neither allocate nor lock, and
//! hand what they captured over through a [`Handoff`].

#[cfg(feature = "cpu")]
pub(crate) mod cpu;
mod signal;
#[cfg(feature = "threads")]
pub(crate) mod threads;

use std::ffi::c_void;

use crate::record::capture;
use crate::record::handoff::Handoff;
use crate::record::recorder::RECORDER;
use crate::record::stack::{ReturnAddress, StackBuffer, StackEnd};

/// A stack that a handler captured, copied out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Captured {
    pub(crate) frames: Vec<ReturnAddress>,
    pub(crate) end: StackEnd,
    pub(crate) module_generation: u32,
}

impl Captured {
    fn of(stack: &StackBuffer) -> Self {
        Self {
            frames: stack.frames().to_vec(),
            end: stack.end,
            module_generation: stack.module_generation,
        }
    }
}

/// What a handler hands over.
#[derive(Debug)]
struct Interrupted {
    thread: libc::pid_t,
    stack: StackBuffer,
}

/// Makes room for so many stacks at once.
fn room_for(stacks: usize) -> Handoff<Interrupted> {
    let empty = |_| Interrupted {
        thread: 0,
        stack: StackBuffer::new(),
    };
    Handoff::new((0..stacks).map(empty))
}

/// Hands over the stack that a signal interrupted; false if there is no room for it.
/// Leaves `errno` as it was.
///
/// # Safety
/// `context` is what the kernel gave to the handler that this is called from.
unsafe fn hand_over(handoff: &Handoff<Interrupted>, round: u64, context: *const c_void) -> bool {
    // SAFETY: a variable of this thread's.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: asks for a number.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) } as libc::pid_t;
    let generation = RECORDER.process_generation();
    let put = |stack: &StackBuffer| {
        handoff.put(round, generation, |slot| {
            slot.thread = thread;
            slot.stack.copy_from(stack);
        })
    };
    // SAFETY: the caller's promise.
    let is_put = unsafe { capture::with_interrupted_stack(context, generation, put) };
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    is_put
}
