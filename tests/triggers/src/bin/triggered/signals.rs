//! Signals, and processes that inherit their handlers.

use std::path::Path;

use heapprof::{Symbols, TriggersBuilder};
use heapprof_hostile::ended::Child;

use crate::{raise, several_looks, start, wait_for};

pub(crate) fn each_time(builder: TriggersBuilder) {
    let triggers = start(builder.on_signal(libc::SIGUSR2));
    for dumps in 1..=3 {
        raise(libc::SIGUSR2);
        wait_for(&triggers, |status| status.dumps == dumps);
    }
    let again = heapprof::triggers().on_signal(libc::SIGUSR2).start();
    println!("{}", again.expect_err("it is taken"));
    triggers.stop();
    // Does again what it did before: the program ends.
    raise(libc::SIGUSR2);
}

pub(crate) fn taken(folder: &Path) {
    extern "C" fn ours(_: i32) {}
    // SAFETY: a handler that does nothing.
    unsafe { libc::signal(libc::SIGUSR1, ours as extern "C" fn(i32) as usize) };
    // SAFETY: ignores a signal.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    for signal in [
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGKILL,
        libc::SIGSEGV,
        0,
        -1,
        1000,
    ] {
        let refused = heapprof::triggers()
            .folder(folder)
            .on_signal(signal)
            .start();
        println!("{}", refused.expect_err("it must be refused"));
    }
    // The program's own handler is still there.
    raise(libc::SIGUSR1);
    raise(libc::SIGUSR2);
}

/// A child neither writes its parent's dumps nor has them written.
pub(crate) fn fork(builder: TriggersBuilder, folder: &Path) {
    let triggers = start(builder.at_exit().on_signal(libc::SIGUSR2));
    let own = folder.with_extension("child");
    for starts_own in [false, true] {
        // SAFETY: this thread is the only one that takes locks.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                raise(libc::SIGUSR2);
                if starts_own {
                    let child = heapprof::triggers().at_exit().on_signal(libc::SIGUSR2);
                    let child = start(child.folder(&own).symbols(Symbols::Names));
                    raise(libc::SIGUSR2);
                    wait_for(&child, |status| status.dumps == 1);
                }
                // SAFETY: ends this process, with its handlers called.
                unsafe { libc::exit(0) };
            }
            pid => assert_eq!(Child::wait(pid), Child::Exited(0)),
        }
    }
    several_looks();
    println!("dumps {}", triggers.status().dumps);
    raise(libc::SIGUSR2);
    wait_for(&triggers, |status| status.dumps == 1);
    // SAFETY: asks for a number.
    println!("pid {}", unsafe { libc::getpid() });
}
