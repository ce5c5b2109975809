//! Signals in the middle of whatever a thread does.

use std::ffi::c_int;
use std::ptr;
use std::time::Duration;

/// Interrupts the thread that started it, and no other, again and again.
#[derive(Debug)]
pub struct Timer(libc::timer_t);

impl Timer {
    /// Starts it.
    ///
    /// # Panics
    /// If the kernel has no timer for it.
    pub fn start(signal: c_int, handler: extern "C" fn(c_int), period: Duration) -> Self {
        handle(signal, handler);
        let mut timer = ptr::null_mut();
        // SAFETY: a description that outlives the call, of which the rest is zero.
        let failed = unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = libc::gettid();
            libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer)
        };
        assert_eq!(failed, 0, "timer_create");
        let period = libc::timespec {
            tv_sec: 0,
            tv_nsec: period.subsec_nanos().into(),
        };
        let setting = libc::itimerspec {
            it_interval: period,
            it_value: period,
        };
        // SAFETY: a timer of ours.
        let failed = unsafe { libc::timer_settime(timer, 0, &raw const setting, ptr::null_mut()) };
        assert_eq!(failed, 0, "timer_settime");
        Self(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: a timer of ours, deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

fn handle(signal: c_int, handler: extern "C" fn(c_int)) {
    let action = libc::sigaction {
        sa_sigaction: handler as *const () as usize,
        // SAFETY: a set of signals is plain old data.
        sa_mask: unsafe { std::mem::zeroed() },
        sa_flags: libc::SA_RESTART,
        sa_restorer: None,
    };
    // SAFETY: the tests' handlers call nothing but the allocator, where that may be called.
    let failed = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0, "sigaction");
}
