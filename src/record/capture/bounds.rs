//! How far the calling thread's stack reaches.

#[cfg(interrupts)]
mod probe;

use core::mem::MaybeUninit;
use core::ops::Range;

use crate::record::thread::Thread;

/// Where a capture may read.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// From the stack pointer upwards.
    readable: Range<u64>,
}

/// Pages are at least so large, and aligned to it.
const PAGE_BYTES: u64 = 4096;

/// The kernel keeps mappings at least so far away from the upper end of the main
/// stack; what is below may be something else.
const MAX_MAIN_STACK_BYTES: u64 = 128 << 20;

/// The bounds around stack pointer `sp`: to the upper end of the thread's stack.
/// On a stack that is not the thread's own (a coroutine's, a signal handler's)
/// only the page that the stack pointer is in is certain to be there.
pub(super) fn around(sp: u64) -> Bounds {
    let (low, high) = Thread::with(|thread| {
        let known = thread.stack_bounds();
        if known.get().1 == 0 {
            known.set(find(sp));
        }
        known.get()
    });
    let is_own = (low as u64..high as u64).contains(&sp);
    Bounds {
        readable: sp..if is_own { high as u64 } else { end_of_page(sp) },
    }
}

fn end_of_page(address: u64) -> u64 {
    (address | PAGE_BYTES.wrapping_sub(1)).saturating_add(1)
}

/// The same in a signal handler, where the C library cannot be asked. A thread that
/// was not sampled yet has its own data at the upper end of its stack; that all
/// between is there, the kernel is asked page by page.
#[cfg(interrupts)]
pub(super) fn around_interrupted(sp: u64) -> Bounds {
    let known = Thread::with(|thread| thread.stack_bounds().get());
    let is_own = |&(low, high): &(usize, usize)| (low as u64..high as u64).contains(&sp);
    let own = Some(known)
        .filter(is_own)
        .or_else(|| main_stack().filter(is_own));
    let end = match own {
        Some((_, high)) => high as u64,
        None => probe::end_of_readable(sp, probe::thread_pointer()),
    };
    Bounds { readable: sp..end }
}

impl Bounds {
    #[cfg(any(test, fuzzing))]
    pub(super) fn of(readable: Range<u64>) -> Self {
        Self { readable }
    }

    /// A word of the stack; none where it is not certain that there is one.
    pub(super) fn read(&self, address: u64) -> Option<u64> {
        let bytes = self.readable.end.saturating_sub(self.readable.start);
        let is_inside = address.wrapping_sub(self.readable.start) < bytes.saturating_sub(7);
        if !is_inside || !address.is_multiple_of(8) {
            return None;
        }
        // SAFETY: aligned, and between this thread's stack pointer and the upper
        // end of its stack, or of the page that it is in, which are mapped.
        Some(unsafe { read(address) })
    }

    /// The words of a frame that is all inside.
    #[inline(always)]
    pub(super) fn words(&self, start: u64, end: u64) -> Option<Words> {
        let is_inside = self.readable.start <= start && end <= self.readable.end;
        (is_inside && start.is_multiple_of(8)).then_some(Words { start, end })
    }

    /// Can a frame end at `address`? The outermost one ends where the stack does.
    pub(super) fn reach(&self, address: u64) -> bool {
        self.readable.start <= address && address <= self.readable.end
    }
}

/// A part of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    start: u64,
    end: u64,
}

impl Words {
    /// One of them.
    #[inline(always)]
    pub(super) fn get(self, index: u32) -> Option<u64> {
        // Neither overflows: addresses have less than 63 bits.
        let address = self.start.wrapping_add(u64::from(index).wrapping_mul(8));
        // SAFETY: aligned as the start is, and inside, see `Bounds::read`.
        (address.wrapping_add(8) <= self.end).then(|| unsafe { read(address) })
    }
}

/// Reads a word by an instruction of our own: it is another frame's, of which the
/// language, and a sanitizer, knows nothing good.
///
/// # Safety
/// The address is a multiple of 8, and that of memory that can be read.
#[inline(always)]
unsafe fn read(address: u64) -> u64 {
    let word;
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!(
            "mov {word}, qword ptr [{address}]",
            address = in(reg) address,
            word = lateout(reg) word,
            options(readonly, nostack, preserves_flags),
        );
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!(
            "ldr {word}, [{address}]",
            address = in(reg) address,
            word = lateout(reg) word,
            options(readonly, nostack, preserves_flags),
        );
    }
    word
}

/// Asks once per thread. `pthread_getattr_np` allocates and locks (both inside
/// the C library), hence never again; for the main thread it would also read
/// `/proc`, which the loader's own record saves.
fn find(sp: u64) -> (usize, usize) {
    if let Some((low, high)) = main_stack()
        && (low as u64..high as u64).contains(&sp)
    {
        return (low, high);
    }
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the attributes are initialized where the first call says so, read
    // by the others, and then destroyed.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return (0, 1);
        }
        let (mut low, mut size) = (core::ptr::null_mut(), 0);
        libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        let low = low.addr();
        (low, low.saturating_add(size))
    }
}

/// The main thread's stack: from where the loader found its end, down to the limit.
#[cfg(target_env = "gnu")]
fn main_stack() -> Option<(usize, usize)> {
    unsafe extern "C" {
        static __libc_stack_end: *const core::ffi::c_void;
    }
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: fills in our own variable.
    if unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) } != 0 {
        return None;
    }
    // SAFETY: written by the loader before any code of the program runs.
    let high = unsafe { __libc_stack_end }.addr();
    let size = limit.rlim_cur.min(MAX_MAIN_STACK_BYTES) as usize;
    Some((high.saturating_sub(size), high))
}

#[cfg(not(target_env = "gnu"))]
fn main_stack() -> Option<(usize, usize)> {
    None
}
