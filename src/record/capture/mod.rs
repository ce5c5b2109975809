//! Capturing the calling thread's stack, inside malloc.

#[cfg(cfi)]
mod bounds;
#[cfg(cfi)]
mod cfi;
#[cfg(cfi)]
mod frame_pointer;
#[cfg(all(cfi, fuzzing))]
#[allow(clippy::disallowed_types, missing_docs)]
pub mod fuzzing;
#[cfg(cfi)]
mod identity;
#[cfg(cfi)]
mod image;
#[cfg(cfi)]
pub(crate) mod modules;
#[cfg(not(cfi))]
#[path = "portable.rs"]
pub(crate) mod modules;
#[cfg(cfi)]
mod own_stack;
#[cfg(cfi)]
mod rule;
#[cfg(cfi)]
mod rule_cache;
#[cfg(cfi)]
mod sections;
#[cfg(cfi)]
mod trail;
#[cfg(cfi)]
mod unwind_table;

use super::stack::StackBuffer;

/// How stacks are walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwinder {
    /// By call frame information (`.eh_frame`), which every stock build has:
    /// about 10 ns a frame, and half of that for frames that a stack shares with
    /// the one captured before. Linux on x86-64 and aarch64; other targets use the
    /// `backtrace` crate in its place.
    #[default]
    Cfi = 0,
    /// By frame pointers: 1 to 2 ns a frame, for programs in which everything,
    /// the standard library included, is built with `-C force-frame-pointers=yes`.
    /// In others stacks come out cut or with frames missing.
    FramePointers = 1,
}

impl Unwinder {
    pub(crate) fn from_u32(value: u32) -> Self {
        if value == Self::FramePointers as u32 {
            Self::FramePointers
        } else {
            Self::Cfi
        }
    }
}

/// The registers that an unwinder starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    #[cfg(cfi)]
    pc: u64,
    #[cfg(cfi)]
    sp: u64,
    #[cfg(cfi)]
    fp: u64,
    #[cfg(all(cfi, target_arch = "aarch64"))]
    lr: u64,
}

impl Registers {
    /// Of the function this is inlined into, whose caller becomes the innermost
    /// frame of the captured stack.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        #[cfg(all(cfi, target_arch = "x86_64"))]
        {
            let (pc, sp, fp);
            // SAFETY: copies three registers.
            unsafe {
                core::arch::asm!(
                    "lea {pc}, [rip]",
                    "mov {sp}, rsp",
                    "mov {fp}, rbp",
                    pc = out(reg) pc,
                    sp = out(reg) sp,
                    fp = out(reg) fp,
                    options(nomem, nostack, preserves_flags),
                );
            }
            Self { pc, sp, fp }
        }
        #[cfg(all(cfi, target_arch = "aarch64"))]
        {
            let (pc, sp, fp, lr);
            // SAFETY: copies four registers.
            unsafe {
                core::arch::asm!(
                    "adr {pc}, .",
                    "mov {sp}, sp",
                    "mov {fp}, x29",
                    "mov {lr}, x30",
                    pc = out(reg) pc,
                    sp = out(reg) sp,
                    fp = out(reg) fp,
                    lr = out(reg) lr,
                    options(nomem, nostack, preserves_flags),
                );
            }
            Self { pc, sp, fp, lr }
        }
        #[cfg(not(cfi))]
        Self {}
    }

    /// Of the code that a signal interrupted.
    ///
    /// # Safety
    /// `context` is what the kernel gave to the signal's handler.
    #[cfg(interrupts)]
    unsafe fn interrupted(context: *const core::ffi::c_void) -> Self {
        // SAFETY: the caller's promise.
        let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
        #[cfg(target_arch = "x86_64")]
        {
            let [pc, sp, fp] = [libc::REG_RIP, libc::REG_RSP, libc::REG_RBP].map(|register| {
                let register = machine.gregs.get(register as usize);
                register.map_or(0, |value| value.cast_unsigned())
            });
            Self { pc, sp, fp }
        }
        #[cfg(target_arch = "aarch64")]
        {
            let [.., fp, lr] = machine.regs;
            Self {
                pc: machine.pc,
                sp: machine.sp,
                fp,
                lr,
            }
        }
    }
}

/// Captures the stack above `registers` and calls `f` with it. What cannot be
/// told is left out and marked. The caller is busy.
#[cfg(cfi)]
pub(crate) fn with_stack<R>(
    unwinder: Unwinder,
    registers: &Registers,
    process_generation: u64,
    f: impl Fn(&StackBuffer) -> R,
) -> R {
    let captured = modules::with_current(process_generation, |known, scratch| {
        let bounds = bounds::around(registers.sp);
        scratch.stack.begin(known.generation());
        let end = match unwinder {
            Unwinder::FramePointers => {
                frame_pointer::walk(registers, &bounds, known, &mut scratch.stack)
            }
            Unwinder::Cfi => cfi::walk(registers, &bounds, known, scratch),
        };
        scratch.stack.finish(end);
        f(&scratch.stack)
    });
    captured.unwrap_or_else(|| f(&NOT_CAPTURED))
}

/// Captures the stack of the code that a signal interrupted on this thread, and
/// calls `f` with it. For signal handlers: neither allocates nor locks, whatever
/// the thread was doing. May change `errno`.
///
/// # Safety
/// `context` is what the kernel gave to the handler that this is called from.
#[cfg(interrupts)]
pub(crate) unsafe fn with_interrupted_stack<R>(
    context: *const core::ffi::c_void,
    process_generation: u64,
    f: impl Fn(&StackBuffer) -> R,
) -> R {
    // SAFETY: the caller's promise.
    let registers = unsafe { Registers::interrupted(context) };
    let captured = modules::with_current(process_generation, |known, scratch| {
        let bounds = bounds::around_interrupted(registers.sp);
        scratch.stack.begin(known.generation());
        let end = cfi::walk_interrupted(&registers, &bounds, known, scratch);
        scratch.stack.finish(end);
        f(&scratch.stack)
    });
    captured.unwrap_or_else(|| f(&NOT_CAPTURED))
}

#[cfg(cfi)]
static NOT_CAPTURED: StackBuffer = StackBuffer::new();

#[cfg(not(cfi))]
pub(crate) fn with_stack<R>(
    _unwinder: Unwinder,
    _registers: &Registers,
    _process_generation: u64,
    f: impl Fn(&StackBuffer) -> R,
) -> R {
    let mut stack = StackBuffer::new();
    modules::walk(&mut stack);
    f(&stack)
}
