//! Switching the recorder on, off, finer and coarser, and setting it up when
//! the program starts.

use crate::error::Error;
use crate::record::capture::modules;
use crate::record::clock;
use crate::record::recorder::RECORDER;
use crate::record::thread;
use crate::snapshot::ensure_registered;

/// The mean number of bytes between samples: 0 is off, 1 is every allocation.
/// 0 too when no [`Alloc`](crate::Alloc) is registered.
pub fn sample_interval() -> u64 {
    RECORDER.interval()
}

/// Sets the mean number of bytes between samples: 0 is off, 1 is every
/// allocation. It takes hold on the calling thread at once and on every other
/// within its next MiB of allocations. Samples keep the weight of the interval
/// that they were taken with, so totals stay unbiased across a change.
///
/// # Errors
/// [`Error::InvalidInterval`] beyond `isize::MAX`; [`Error::NotRegistered`].
pub fn set_sample_interval(bytes: u64) -> Result<(), Error> {
    if bytes > isize::MAX as u64 {
        return Err(Error::InvalidInterval(bytes));
    }
    let _busy = thread::busy();
    ensure_registered()?;
    modules::refresh(RECORDER.process_generation());
    RECORDER.change_interval(bytes);
    Ok(())
}

/// Forgets when most was in use: from now on the peak is what is in use now, until
/// more is. To be called when a phase begins whose peak is asked for.
///
/// # Errors
/// [`Error::NotRegistered`].
pub fn reset_peak() -> Result<(), Error> {
    ensure_registered()?;
    RECORDER.high_water().reset(clock::now());
    Ok(())
}

/// Runs before `main`, outside of any allocation: what a set-up needs the loader
/// for cannot be done inside one. Samples taken earlier have no stack.
#[cfg(cfi)]
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = {
    extern "C" fn prepare() {
        modules::FORK_GATE.close();
    }

    extern "C" fn in_parent() {
        modules::FORK_GATE.open();
    }

    extern "C" fn in_child() {
        modules::FORK_GATE.open_in_child();
        RECORDER.enter_child();
    }

    extern "C" fn at_start() {
        let _busy = thread::busy();
        // An allocation: the wrapper, if it is registered, is asked at least once.
        drop(std::hint::black_box(Box::new(0_u8)));
        if ensure_registered().is_err() {
            return;
        }
        // SAFETY: the handlers change atomics of ours; the first may wait for
        // another thread, but not for long.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
        if RECORDER.interval() != 0 {
            modules::refresh(RECORDER.process_generation());
        }
    }

    at_start
};
