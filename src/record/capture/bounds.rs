//! How far the calling thread's stack reaches.

use core::mem::MaybeUninit;
use core::ops::Range;

use crate::record::thread::Thread;

/// Where a capture may read.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// From the stack pointer to the upper end of the stack.
    readable: Range<u64>,
}

/// Stack that a capture may take: unwinding a dozen frames with cold caches
/// takes 14 KiB in a release build and 39 KiB in a debug build.
const HEADROOM_BYTES: u64 = if cfg!(debug_assertions) {
    64 << 10
} else {
    24 << 10
};

/// Larger main stacks than this are not expected (`ulimit -s unlimited`).
const MAX_MAIN_STACK_BYTES: u64 = 1 << 30;

/// The bounds around stack pointer `sp`. `None` if it is on no stack that is
/// known (a coroutine's, a signal handler's), or too close to the lower end for
/// an unwinder to run.
pub(super) fn around(sp: u64) -> Option<Bounds> {
    let (low, high) = Thread::with(|thread| {
        let known = thread.stack_bounds();
        if known.get().1 == 0 {
            known.set(find(sp));
        }
        known.get()
    });
    let has_room = (low as u64).saturating_add(HEADROOM_BYTES) <= sp;
    (has_room && sp < high as u64).then_some(Bounds {
        readable: sp..high as u64,
    })
}

impl Bounds {
    #[cfg(test)]
    pub(super) fn of(readable: Range<u64>) -> Self {
        Self { readable }
    }

    /// A word of the stack; an error, for framehop, where there is none.
    pub(super) fn read(&self, address: u64) -> Result<u64, ()> {
        let end = address.checked_add(8).ok_or(())?;
        if address < self.readable.start || end > self.readable.end || !address.is_multiple_of(8) {
            return Err(());
        }
        // SAFETY: aligned, and between this thread's stack pointer and the upper
        // end of its stack, which is mapped while the thread runs.
        Ok(unsafe { (address as *const u64).read_volatile() })
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        self.readable.contains(&address)
    }
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
        let (mut low, mut size, mut guard) = (core::ptr::null_mut(), 0, 0);
        libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_getguardsize(attributes.as_ptr(), &mut guard);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        let low = low.addr();
        (low.saturating_add(guard), low.saturating_add(size))
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
