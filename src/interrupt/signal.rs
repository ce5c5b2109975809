//! Signals, and whose they are.

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::ptr;

/// What is called when a signal comes; see `sigaction(2)`.
pub(super) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut c_void);

/// A signal that the program has no handler for, and that is ours until this is
/// dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    signal: libc::c_int,
    handler: libc::sighandler_t,
    before: libc::sighandler_t,
}

impl Reserved {
    /// `None` if the program handles the signal itself.
    pub(super) fn take(signal: libc::c_int, handler: Handler) -> Option<Self> {
        if !is_free(disposition(signal)) {
            return None;
        }
        let handler = handler as *const () as libc::sighandler_t;
        // On the thread's stack for signals, where it has one: Rust's threads do.
        let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        let before = set(signal, handler, flags);
        if !is_free(before.sa_sigaction) {
            // The program was quicker. The handler goes back as it was.
            // SAFETY: an action that this signal just had.
            unsafe { libc::sigaction(signal, &before, ptr::null_mut()) };
            return None;
        }
        Some(Self {
            signal,
            handler,
            before: before.sa_sigaction,
        })
    }

    #[cfg(feature = "threads")]
    pub(super) fn signal(&self) -> libc::c_int {
        self.signal
    }
}

impl Drop for Reserved {
    /// Ignoring a signal discards those that are still under way: what is set
    /// afterwards, which may be to end the process, does not see them.
    fn drop(&mut self) {
        if disposition(self.signal) == self.handler {
            set(self.signal, libc::SIG_IGN, 0);
            set(self.signal, self.before, 0);
        }
    }
}

/// A real-time signal that nobody has a use for, as far as one can see: what it does
/// was never changed.
#[cfg(feature = "threads")]
pub(super) fn unused_realtime() -> Option<libc::c_int> {
    let mut signals = (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev();
    signals.find(|&signal| disposition(signal) == libc::SIG_DFL)
}

fn is_free(disposition: libc::sighandler_t) -> bool {
    matches!(disposition, libc::SIG_DFL | libc::SIG_IGN)
}

fn disposition(signal: libc::c_int) -> libc::sighandler_t {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: fills in our own variable, for which zeros are a value.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction
    }
}

/// Sets what a signal does, and returns what it did. While a handler runs, other
/// signals wait.
fn set(
    signal: libc::c_int,
    disposition: libc::sighandler_t,
    flags: libc::c_int,
) -> libc::sigaction {
    // SAFETY: fills in our own variables, for which zeros are a value; the handler
    // is one of ours, or SIG_IGN or SIG_DFL.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = disposition;
        action.sa_flags = flags;
        libc::sigfillset(&mut action.sa_mask);
        let mut before = mem::zeroed();
        libc::sigaction(signal, &action, &mut before);
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut c_void) {}

    /// Signals that no other test uses.
    #[test]
    fn a_signal_is_taken_only_if_nobody_has_it_and_given_back() {
        let [free, used] = [libc::SIGUSR1, libc::SIGUSR2];
        set(used, nothing as *const () as libc::sighandler_t, 0);
        assert!(Reserved::take(used, nothing).is_none());
        assert_eq!(
            disposition(used),
            nothing as *const () as libc::sighandler_t
        );

        let reserved = Reserved::take(free, nothing).unwrap();
        assert!(Reserved::take(free, nothing).is_none());
        drop(reserved);
        assert_eq!(disposition(free), libc::SIG_DFL);
    }
}
