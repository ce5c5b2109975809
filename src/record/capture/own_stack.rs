//! A stack to unwind on, with what else an unwinder needs lying above it. The
//! program's own stack may have no room: a small thread's, a coroutine's, a
//! signal handler's, or one that is about to overflow.

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

/// See the module's description. It lies at the upper end of its stack, in memory
/// straight from the operating system that is never given back: who finds that
/// there are too few of them may make one inside an allocation.
#[derive(Debug)]
#[repr(C, align(4096))]
pub(super) struct OwnStack<S> {
    scratch: S,
}

impl<S> OwnStack<S> {
    /// Maps one. `None` if there is no memory.
    ///
    /// # Safety
    /// `init` makes an `S` of the zeroed memory that it is given.
    pub(super) unsafe fn new(init: unsafe fn(*mut S)) -> Option<&'static mut Self> {
        let below = GUARD_BYTES.wrapping_add(BYTES);
        let all = below.wrapping_add(size_of::<Self>());
        // SAFETY: a new mapping of our own; the guard is its lower end, this value
        // its upper one, on a page of its own. `init` runs on the new stack, so
        // that what it moves about is not on the program's.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let bottom = libc::mmap(ptr::null_mut(), all, libc::PROT_NONE, flags, -1, 0);
            if bottom == libc::MAP_FAILED {
                return None;
            }
            let usable = bottom.cast::<u8>().add(GUARD_BYTES);
            let usable_bytes = all.wrapping_sub(GUARD_BYTES);
            let writable = libc::PROT_READ | libc::PROT_WRITE;
            if libc::mprotect(usable.cast(), usable_bytes, writable) != 0 {
                libc::munmap(bottom, all);
                return None;
            }
            tell_valgrind(usable.addr(), usable.addr().wrapping_add(BYTES));
            let place = bottom.cast::<u8>().add(below).cast::<Self>();
            run_on(place.cast(), || init(&raw mut (*place).scratch));
            Some(&mut *place)
        }
    }

    /// Calls `f` on this stack. `f` must not unwind; in a build where it could,
    /// that would end the process.
    pub(super) fn call<R>(&mut self, f: impl FnOnce(&mut S) -> R) -> R {
        let top = ptr::from_mut(self).cast::<u8>();
        // SAFETY: the stack ends where this value begins, and is ours alone while
        // we are borrowed.
        unsafe { run_on(top, || f(&mut self.scratch)) }
    }
}

/// Calls `f` on the stack that ends at `top`.
///
/// # Safety
/// `top` is the upper end, aligned to 16, of a stack that nobody uses.
unsafe fn run_on<R>(top: *mut u8, f: impl FnOnce() -> R) -> R {
    union Exchange<F, R> {
        f: ManuallyDrop<F>,
        result: ManuallyDrop<R>,
    }

    unsafe extern "C" fn run<F: FnOnce() -> R, R>(exchange: *mut c_void) {
        // SAFETY: `run_on` passes its own variable, which holds `f` before and the
        // result after.
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
    // SAFETY: the caller's promise; `run` is made for what `exchange` holds, and
    // leaves the result there.
    unsafe {
        call_on(top, run, (&raw mut exchange).cast());
        ManuallyDrop::into_inner(exchange.result)
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

    fn new_stack() -> &'static mut OwnStack<u64> {
        // SAFETY: makes a number of a number.
        unsafe { OwnStack::new(|number: *mut u64| *number = 7) }.unwrap()
    }

    #[test]
    fn runs_elsewhere_and_returns() {
        let stack = new_stack();
        let top = ptr::from_ref(stack).addr();
        let captured = [1_u64, 2, 3];
        let (sum, inside) = stack.call(|number| {
            let here = 0_u8;
            *number += 1;
            (
                *number + captured.iter().sum::<u64>(),
                ptr::from_ref(&here).addr(),
            )
        });
        assert_eq!(sum, 14);
        assert!((top - BYTES..top).contains(&inside));
        let here = 0_u8;
        assert!(!(top - BYTES..top).contains(&ptr::from_ref(&here).addr()));
    }

    /// As a CPU profiler would from a signal handler.
    #[test]
    fn the_way_back_can_be_unwound() {
        let trace = || std::backtrace::Backtrace::force_capture().to_string();
        let trace = new_stack().call(|_| trace());
        assert!(trace.contains("the_way_back_can_be_unwound"), "{trace}");
        assert!(trace.contains("call_on"), "{trace}");
    }
}
