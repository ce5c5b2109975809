//! Waiting for what must happen, but not for ever.

use std::thread;
use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; `None` if none comes in time.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > limit {
            return answer;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// How a child process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It did not, and was killed for it.
    Hung,
}

impl Child {
    /// Waits for the child process `pid` of the caller.
    ///
    /// # Panics
    /// If the caller has no such child.
    pub fn wait(pid: libc::pid_t) -> Self {
        let status = within(Duration::from_secs(30), || {
            let mut status = 0;
            // SAFETY: fills in our own variable.
            match unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } {
                0 => None,
                found if found == pid => Some(status),
                _ => panic!("waitpid: {}", std::io::Error::last_os_error()),
            }
        });
        let Some(status) = status else {
            // SAFETY: ends and collects a child of ours.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, std::ptr::null_mut(), 0);
            }
            return Self::Hung;
        };
        if libc::WIFEXITED(status) {
            Self::Exited(libc::WEXITSTATUS(status))
        } else {
            Self::Killed(libc::WTERMSIG(status))
        }
    }
}
