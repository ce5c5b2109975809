#![forbid(unsafe_code)]
//! Triggers at work: what holds them together, and the handle of the program.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::{fmt, process};

use super::builder::{TriggersBuilder, When};
use super::dump::Dumper;
use super::exit::{self, AtExit};
use super::files::Folder;
use super::helper::Helper;
#[cfg(target_os = "linux")]
use super::signal::Handled;
use super::status::TriggerStatus;
use super::wake::{self, Call, Waker};
use crate::error::Error;
use crate::record::thread;
use crate::snapshot::ensure_registered;

/// Triggers that were started. They go on when this is dropped.
pub struct Triggers {
    dumper: Arc<Dumper>,
    at_exit: Option<Arc<AtExit>>,
    #[cfg(target_os = "linux")]
    signal: Option<std::mem::ManuallyDrop<Handled>>,
    helper: Option<(Arc<Waker>, JoinHandle<()>)>,
    process: u32,
}

impl Triggers {
    /// What became of the dumps so far.
    pub fn status(&self) -> TriggerStatus {
        let _busy = thread::busy();
        self.dumper.status(|status| status.clone())
    }

    /// Ends them: nothing is written from here on, and the signal does again what
    /// it did before. Waits for a dump that is under way, and for its hooks; in a
    /// hook, or in a forked child, for nothing.
    pub fn stop(self) {
        let _busy = thread::busy();
        if let Some(at_exit) = &self.at_exit {
            exit::cancel(at_exit);
        }
        #[cfg(target_os = "linux")]
        if let Some(signal) = self.signal {
            drop(std::mem::ManuallyDrop::into_inner(signal));
        }
        let Some((waker, helper)) = self.helper else {
            return;
        };
        // A forked child has no helper; its parent's is not to be stopped.
        if self.process != process::id() {
            return;
        }
        waker.call(Call::Stop);
        if helper.thread().id() != std::thread::current().id() {
            // It panics nowhere that anyone could mend.
            let _ = helper.join();
        }
    }
}

impl fmt::Debug for Triggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Triggers")
            .field("folder", &self.dumper.folder.path())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Starts what was asked for. The caller is busy.
pub(super) fn start(builder: TriggersBuilder) -> Result<Triggers, Error> {
    ensure_registered()?;
    let when = builder.when;
    check(&when)?;
    let folder = Folder::open(&builder.folder, builder.keep_files, builder.keep_bytes);
    let folder = folder.map_err(|source| Error::Io {
        path: builder.folder,
        source,
    })?;
    let dumper = Arc::new(Dumper::new(folder, builder.symbols));

    let mut triggers = Triggers {
        dumper: Arc::clone(&dumper),
        at_exit: None,
        #[cfg(target_os = "linux")]
        signal: None,
        helper: None,
        process: process::id(),
    };
    let has_hooks = !builder.hooks.is_empty();
    if when.needs_helper() || has_hooks {
        let (waker, waiter) = wake::pair().map_err(no_helper)?;
        let waker = Arc::new(waker);
        let at_exit = when
            .at_exit
            .then(|| AtExit::new(&dumper, has_hooks.then_some(&waker)));
        let helper = Helper::new(
            &when,
            &dumper,
            builder.hooks,
            at_exit.as_ref(),
            (Arc::clone(&waker), waiter),
        )?;
        // Before the helper: what fails here leaves nothing behind.
        #[cfg(target_os = "linux")]
        if let Some(signal) = when.signal {
            let handled = Handled::install(signal, Arc::clone(&waker))?;
            triggers.signal = Some(std::mem::ManuallyDrop::new(handled));
        }
        match helper.spawn() {
            Ok(thread) => triggers.helper = Some((waker, thread)),
            Err(error) => {
                triggers.stop();
                return Err(no_helper(error));
            }
        }
        triggers.at_exit = at_exit;
    } else {
        triggers.at_exit = when.at_exit.then(|| AtExit::new(&dumper, None));
    }
    if let Some(at_exit) = &triggers.at_exit {
        exit::register(at_exit);
    }
    Ok(triggers)
}

fn no_helper(error: std::io::Error) -> Error {
    Error::Trigger(format!("the helper thread cannot be started: {error}"))
}

/// Refuses what makes no sense, or cannot be done here.
fn check(when: &When) -> Result<(), Error> {
    let problem = |what: &str| Err(Error::Trigger(what.to_owned()));
    if !when.at_exit && !when.needs_helper() {
        return problem("nothing to do: say when to dump, for instance with `at_exit()`");
    }
    if when.every.is_some_and(|every| every.as_millis() == 0) {
        return problem(
            "a dump every 0 ms would never end; use `every` with a millisecond or more",
        );
    }
    for threshold in [when.resident, when.in_use].into_iter().flatten() {
        if let Some(what) = threshold.problem() {
            return problem(&format!("{threshold}: {what}"));
        }
    }
    let is_linux = cfg!(target_os = "linux");
    if !is_linux && (when.signal.is_some() || when.resident.is_some() || when.in_use.is_some()) {
        return problem("dumps on a signal or a threshold are written on Linux alone");
    }
    Ok(())
}

impl When {
    /// Is there anything but the program's end to wait for?
    fn needs_helper(&self) -> bool {
        let Self {
            signal,
            every,
            resident,
            in_use,
            ..
        } = self;
        signal.is_some() || every.is_some() || resident.is_some() || in_use.is_some()
    }
}
