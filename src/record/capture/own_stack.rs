//! A stack to unwind on. The program's own may have no room: a small thread's,
//! a coroutine's, a signal handler's, or one that is about to overflow.
#![allow(clippy::disallowed_types)]

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ptr;

/// An unwinder with cold caches takes a part of it; the rest stays untouched.
const BYTES: usize = 128 << 10;
/// Below it, at the end that a stack grows to: a page of the largest kind.
const GUARD_BYTES: usize = if cfg!(target_arch = "x86_64") {
    4 << 10
} else {
    64 << 10
};

/// See the module's description.
#[derive(Debug)]
pub(super) struct OwnStack {
    /// Its upper end, and that of the mapping.
    top: *mut u8,
}

// SAFETY: owned memory, used by whoever holds it.
unsafe impl Send for OwnStack {}

impl OwnStack {
    /// Maps one. `None` if there is no memory.
    pub(super) fn new() -> Option<Self> {
        let all = GUARD_BYTES.saturating_add(BYTES);
        // SAFETY: a new mapping of our own; the guard is its lower end.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let bottom = libc::mmap(
                ptr::null_mut(),
                all,
                libc::PROT_NONE,
                flags | libc::MAP_STACK,
                -1,
                0,
            );
            if bottom == libc::MAP_FAILED {
                return None;
            }
            let usable = bottom.cast::<u8>().add(GUARD_BYTES);
            if libc::mprotect(usable.cast(), BYTES, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                libc::munmap(bottom, all);
                return None;
            }
            tell_valgrind(usable.addr(), usable.addr().wrapping_add(BYTES));
            Some(Self {
                top: usable.add(BYTES),
            })
        }
    }

    /// Calls `f` on this stack. `f` must not unwind; in a build where it could,
    /// that would end the process.
    pub(super) fn call<R>(&mut self, f: impl FnOnce() -> R) -> R {
        union Exchange<F, R> {
            f: ManuallyDrop<F>,
            result: ManuallyDrop<R>,
        }

        unsafe extern "C" fn run<F: FnOnce() -> R, R>(exchange: *mut c_void) {
            // SAFETY: `call` passes its own variable, which holds `f` before and
            // the result after.
            unsafe {
                let exchange = &mut *exchange.cast::<Exchange<F, R>>();
                let f = ManuallyDrop::take(&mut exchange.f);
                exchange.result = ManuallyDrop::new(f());
            }
        }

        fn runner<F: FnOnce() -> R, R>(_: &F) -> unsafe extern "C" fn(*mut c_void) {
            run::<F, R>
        }

        let run = runner::<_, R>(&f);
        let mut exchange = Exchange {
            f: ManuallyDrop::new(f),
        };
        // SAFETY: the stack is ours alone while we are borrowed, `run` is made
        // for what `exchange` holds, and leaves the result there.
        unsafe {
            call_on(self.top, run, (&raw mut exchange).cast());
            ManuallyDrop::into_inner(exchange.result)
        }
    }
}

/// Valgrind guesses where stacks are, and would take a switch to this one for a
/// very large frame. Told of it, it does not. Elsewhere this does nothing: the
/// instructions leave everything as it was (valgrind.h, `STACK_REGISTER`).
fn tell_valgrind(start: usize, end: usize) {
    const STACK_REGISTER: usize = 0x1501;
    let request = [STACK_REGISTER, start, end, 0, 0, 0];
    // SAFETY: rotations that cancel out; valgrind reads the request and sets the
    // result register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") 0_usize => _,
            options(nostack),
        );
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            in("x4") request.as_ptr(),
            inout("x3") 0_usize => _,
            options(nostack),
        );
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let all = GUARD_BYTES.saturating_add(BYTES);
        // SAFETY: our own mapping, which nobody uses any more.
        unsafe { libc::munmap(self.top.wrapping_sub(all).cast(), all) };
    }
}

/// Calls `f(argument)` with the stack pointer at `top`.
///
/// The frame is addressed by the frame pointer, and the directives say so:
/// debuggers and signal handlers that unwind find their way back to the
/// program's stack.
///
/// # Safety
/// As for `f`; `top` is the upper end, aligned to 16, of a stack that nobody uses.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn call_on(
    top: *mut u8,
    f: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// As above.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn call_on(
    top: *mut u8,
    f: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x30, -8",
        ".cfi_offset x29, -16",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        "mov sp, x29",
        ".cfi_def_cfa_register sp",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore x30",
        ".cfi_restore x29",
        "ret",
        ".cfi_endproc",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_elsewhere_and_returns() {
        let mut stack = OwnStack::new().unwrap();
        let captured = [1_u64, 2, 3];
        let (sum, inside) = stack.call(|| {
            let here = 0_u8;
            (captured.iter().sum::<u64>(), ptr::from_ref(&here).addr())
        });
        assert_eq!(sum, 6);
        let top = stack.top.addr();
        assert!((top - BYTES..top).contains(&inside));
        let here = 0_u8;
        assert!(!(top - BYTES..top).contains(&ptr::from_ref(&here).addr()));
    }

    /// Even unoptimized, a capture leaves most of the stack untouched.
    #[test]
    fn a_capture_has_room() {
        let mut stack = OwnStack::new().unwrap();
        let registers = crate::record::capture::Registers::here();
        crate::record::capture::modules::refresh(1, 1);
        for _ in 0..2 {
            stack.call(|| crate::record::capture::unwind_on_this_stack(&registers));
        }
        let low = stack.top.addr() - BYTES;
        let untouched = (low..stack.top.addr())
            // SAFETY: our own mapping, which nobody uses now.
            .take_while(|&at| unsafe { *(at as *const u8) } == 0)
            .count();
        println!("{} bytes of {BYTES}", BYTES - untouched);
        assert!(untouched > BYTES / 2, "{untouched} of {BYTES}");
    }

    /// As a CPU profiler would from a signal handler.
    #[test]
    fn the_way_back_can_be_unwound() {
        let mut stack = OwnStack::new().unwrap();
        let trace = stack.call(|| std::backtrace::Backtrace::force_capture().to_string());
        assert!(trace.contains("the_way_back_can_be_unwound"), "{trace}");
        assert!(trace.contains("call_on"), "{trace}");
    }
}
