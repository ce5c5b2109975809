//! The dump at the program's normal end.
//!
//! It is written by the thread that ends the program, in a handler of `atexit`,
//! so that it depends on nobody; only its hooks are the helper's.

use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;
use std::{panic, thread};

use super::dump::Dumper;
use super::files::Reason;
use super::wake::{Call, Waker};
use crate::record::thread as own;

/// How long hooks may take to send the last file somewhere.
const PATIENCE: Duration = Duration::from_secs(10);

/// Dumps to be written.
static REGISTERED: Mutex<Vec<Arc<AtExit>>> = Mutex::new(Vec::new());

/// The process that the last of them was registered in. Relaxed: a forked child
/// sees what its parent wrote.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// A dump at the end of the program.
#[derive(Debug)]
pub(super) struct AtExit {
    process: u32,
    dumper: Arc<Dumper>,
    /// Wakes the helper, if there are hooks.
    waker: Option<Arc<Waker>>,
    helper: OnceLock<ThreadId>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    file: Option<PathBuf>,
    is_done: bool,
}

impl AtExit {
    pub(super) fn new(dumper: &Arc<Dumper>, waker: Option<&Arc<Waker>>) -> Arc<Self> {
        Arc::new(Self {
            process: process::id(),
            dumper: Arc::clone(dumper),
            waker: waker.map(Arc::clone),
            helper: OnceLock::new(),
            progress: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The calling thread is the helper.
    pub(super) fn set_helper(&self) {
        let _ = self.helper.set(thread::current().id());
    }

    /// The file that waits for its hooks.
    pub(super) fn file(&self) -> Option<PathBuf> {
        lock(&self.progress).file.take()
    }

    /// Its hooks have been called.
    pub(super) fn done(&self) {
        lock(&self.progress).is_done = true;
        self.changed.notify_all();
    }

    fn dump(&self) {
        let Some(file) = self.dumper.dump(Reason::Exit) else {
            return;
        };
        let Some(waker) = &self.waker else { return };
        // A hook that ends the program will not be called again.
        if self.helper.get() == Some(&thread::current().id()) {
            return;
        }
        let mut progress = lock(&self.progress);
        progress.file = Some(file);
        waker.call(Call::Exit);
        let waited = self
            .changed
            .wait_timeout_while(progress, PATIENCE, |progress| !progress.is_done);
        drop(waited);
    }
}

/// Has the dump written when the program ends.
pub(super) fn register(at_exit: &Arc<AtExit>) {
    static ONCE: Once = Once::new();
    PROCESS.store(process::id(), Ordering::Relaxed);
    lock(&REGISTERED).push(Arc::clone(at_exit));
    // SAFETY: the handler does not unwind, and is there as long as this code is.
    ONCE.call_once(|| _ = unsafe { libc::atexit(dump_all) });
}

/// Not after all.
pub(super) fn cancel(at_exit: &Arc<AtExit>) {
    lock(&REGISTERED).retain(|other| !Arc::ptr_eq(other, at_exit));
}

extern "C" fn dump_all() {
    // A forked child inherits its parent's handlers, and locks that may be taken
    // for ever.
    if PROCESS.load(Ordering::Relaxed) != process::id() {
        return;
    }
    let _busy = own::busy();
    let all = lock(&REGISTERED).clone();
    for at_exit in all
        .iter()
        .filter(|at_exit| at_exit.process == process::id())
    {
        // The program ends well, whatever happens here.
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| at_exit.dump()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
