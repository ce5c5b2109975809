//! A signal that wakes the helper.
//!
//! # Atomic orderings
//! The handler is installed after the socket was stored, and runs later; so
//! Relaxed is enough.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::process;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::wake::{Call, Waker};
use crate::error::Error;

/// Signal numbers are below this on every Linux.
const SIGNALS: usize = 128;

/// By signal: the socket that wakes a helper, in the lower half, and in the upper
/// the process that has the helper. A forked child has the handlers and the sockets
/// too, but no helper.
static SOCKETS: [AtomicU64; SIGNALS] = [const { AtomicU64::new(0) }; SIGNALS];

/// Signals that say that the program is broken, or cannot be handled.
const REFUSED: [i32; 9] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// A signal that is handled until this is dropped.
#[derive(Debug)]
pub(super) struct Handled {
    signal: i32,
    /// Kept open for ever: a handler may be about to write to it.
    waker: Option<Arc<Waker>>,
}

impl Handled {
    /// Installs the handler, unless the program has one or ignores the signal.
    pub(super) fn install(signal: i32, waker: Arc<Waker>) -> Result<Self, Error> {
        let problem = Error::Trigger(format!(
            "signal {signal} cannot be used; SIGUSR1 ({}) and SIGUSR2 ({}) are meant for it",
            libc::SIGUSR1,
            libc::SIGUSR2
        ));
        let slot = usize::try_from(signal).ok().filter(|&slot| slot > 0);
        let Some(socket) = slot.and_then(|slot| SOCKETS.get(slot)) else {
            return Err(problem);
        };
        if REFUSED.contains(&signal) {
            return Err(problem);
        }
        let before = action(signal, None).map_err(|_| problem)?;
        let of_parent = socket.load(Ordering::Relaxed);
        let is_inherited = is_ours(&before) && !is_of_this_process(of_parent);
        let is_free = |before: &libc::sigaction| before.sa_sigaction == libc::SIG_DFL;
        if !is_free(&before) && !is_inherited {
            return Err(Error::SignalInUse(signal));
        }
        let own = packed(waker.socket().as_raw_fd());
        let is_taken = is_of_this_process(of_parent)
            || socket
                .compare_exchange(of_parent, own, Ordering::Relaxed, Ordering::Relaxed)
                .is_err();
        if is_taken {
            return Err(Error::SignalInUse(signal));
        }
        // From here on it is undone by being dropped.
        let handled = Self {
            signal,
            waker: Some(waker),
        };
        match action(signal, Some(&handler_action())) {
            Ok(before) if is_free(&before) || is_inherited => Ok(handled),
            // Someone was faster.
            Ok(before) => {
                let _ = action(signal, Some(&before));
                Err(Error::SignalInUse(signal))
            }
            Err(source) => Err(Error::Trigger(format!("signal {signal}: {source}"))),
        }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        if action(self.signal, None).is_ok_and(|now| is_ours(&now)) {
            let _ = action(self.signal, Some(&default_action()));
        }
        if let Some(socket) = SOCKETS.get(self.signal.unsigned_abs() as usize) {
            socket.store(0, Ordering::Relaxed);
        }
        mem::forget(self.waker.take());
    }
}

fn packed(socket: RawFd) -> u64 {
    u64::from(process::id()) << 32 | u64::from(socket.cast_unsigned())
}

fn is_of_this_process(packed: u64) -> bool {
    packed >> 32 == u64::from(process::id())
}

/// Sends a byte: nothing else may be done here.
extern "C" fn wake(signal: i32) {
    let socket = SOCKETS.get(signal.unsigned_abs() as usize);
    let socket = socket.map_or(0, |socket| socket.load(Ordering::Relaxed));
    if !is_of_this_process(socket) {
        return;
    }
    let byte = [Call::Signal as u8];
    // SAFETY: the C library's own variable of this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above. What was interrupted may be about to look at it.
    let before = unsafe { *errno };
    // SAFETY: sends our own byte to a socket of ours. The call does not wait, and may
    // be made in signal handlers.
    unsafe {
        libc::send(
            (socket as u32).cast_signed(),
            byte.as_ptr().cast(),
            byte.len(),
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        );
    }
    // SAFETY: as above.
    unsafe { *errno = before };
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == handler_action().sa_sigaction
}

fn handler_action() -> libc::sigaction {
    libc::sigaction {
        sa_sigaction: wake as extern "C" fn(i32) as usize,
        sa_flags: libc::SA_RESTART | libc::SA_ONSTACK,
        ..default_action()
    }
}

fn default_action() -> libc::sigaction {
    // SAFETY: of zeros it is the default action, blocking no signal.
    unsafe { mem::zeroed() }
}

/// What is done at this signal now; and then something else, if it is given.
fn action(signal: i32, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut before = default_action();
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `new` is null or valid, its handler may be called at any time, and
    // `before` is our own.
    if unsafe { libc::sigaction(signal, new, &raw mut before) } == 0 {
        Ok(before)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Keeps signals from the calling thread, which is not the program's: all but
/// `own`, which may have no other thread to go to.
pub(super) fn keep_others_away(own: Option<i32>) {
    let mut set = mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: fills in our own variable before it is used, and changes the mask of
    // this thread alone.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        if let Some(own) = own {
            libc::sigdelset(set.as_mut_ptr(), own);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::triggers::wake;

    #[test]
    fn who_is_refused_takes_nothing_from_who_was_first() {
        // Ignored by default.
        let signal = libc::SIGURG;
        let (waker, waiter) = wake::pair().unwrap();
        let first = Handled::install(signal, Arc::new(waker)).unwrap();
        // The program does without it for a while.
        let ours = action(signal, Some(&default_action())).unwrap();
        let (other, _other_waiter) = wake::pair().unwrap();
        let refused = Handled::install(signal, Arc::new(other));
        assert!(matches!(refused, Err(Error::SignalInUse(_))), "{refused:?}");
        action(signal, Some(&ours)).unwrap();
        // SAFETY: the signal is handled.
        unsafe { libc::raise(signal) };
        assert!(waiter.wait(Duration::from_secs(10)).has(Call::Signal));
        drop(first);
    }
}
