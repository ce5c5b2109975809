#![forbid(unsafe_code)]
//! How the rest of the process reaches the helper thread: bytes through a pair
//! of sockets, because sending one is all that a signal handler may do.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What the helper is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    Signal = 1,
    /// Files that were written at the program's end wait for their hooks.
    Exit = 2,
    Stop = 3,
}

/// The end that wakes.
#[derive(Debug)]
pub(super) struct Waker(UnixStream);

/// The end that waits.
#[derive(Debug)]
pub(super) struct Waiter(UnixStream);

/// What the helper was woken for; nothing if time was up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls(u8);

impl Calls {
    pub(super) fn has(self, call: Call) -> bool {
        self.0 & 1 << call as u8 != 0
    }
}

pub(super) fn pair() -> io::Result<(Waker, Waiter)> {
    let (waker, waiter) = UnixStream::pair()?;
    // Nobody waits for a helper that has enough to do.
    waker.set_nonblocking(true)?;
    Ok((Waker(waker), Waiter(waiter)))
}

impl Waker {
    /// If the socket is full, the helper will wake as it is.
    pub(super) fn call(&self, call: Call) {
        let _ = (&self.0).write(&[call as u8]);
    }

    #[cfg(target_os = "linux")]
    pub(super) fn socket(&self) -> &UnixStream {
        &self.0
    }
}

impl Waiter {
    /// Waits to be called, or until time is up.
    pub(super) fn wait(&self, time: Duration) -> Calls {
        let mut calls = Calls::default();
        // No time at all would be an error.
        let time = time.max(Duration::from_millis(1));
        if self.0.set_read_timeout(Some(time)).is_err() {
            std::thread::sleep(time);
        }
        let mut bytes = [0; 64];
        match (&self.0).read(&mut bytes) {
            // Nobody is left who could call.
            Ok(0) => calls.0 |= 1 << Call::Stop as u8,
            Ok(len) => bytes[..len]
                .iter()
                .for_each(|&byte| calls.0 |= 1 << (byte & 7)),
            // Time is up, or a signal came.
            Err(_) => {}
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_heard_once() {
        let (waker, waiter) = pair().unwrap();
        let (soon, later) = (Duration::ZERO, Duration::from_secs(60));
        assert_eq!(waiter.wait(soon), Calls::default());
        waker.call(Call::Signal);
        waker.call(Call::Signal);
        let calls = waiter.wait(later);
        assert!(calls.has(Call::Signal) && !calls.has(Call::Exit) && !calls.has(Call::Stop));
        assert_eq!(waiter.wait(soon), Calls::default());
        // Nobody listens, and nobody waits.
        for _ in 0..1_000_000 {
            waker.call(Call::Exit);
        }
        drop(waker);
        let mut calls = waiter.wait(later);
        while !calls.has(Call::Stop) {
            calls = waiter.wait(later);
        }
    }
}
