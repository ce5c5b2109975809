#![forbid(unsafe_code)]
//! The helper thread: waits, looks, dumps.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::builder::{Hook, When};
use super::dump::{Dumper, say};
use super::exit::AtExit;
use super::files::Reason;
#[cfg(target_os = "linux")]
use super::flight::FlightRecorder;
use super::wake::{Call, Waiter, Waker};
#[cfg(target_os = "linux")]
use super::watch::Watch;
use crate::error::Error;
use crate::record::recorder::RECORDER;
use crate::record::thread;
use crate::snapshot::modules;

/// How often it is checked whether stacks were cut in code that is not known yet.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// See the module's description.
pub(super) struct Helper {
    dumper: Arc<Dumper>,
    hooks: Vec<Hook>,
    at_exit: Option<Arc<AtExit>>,
    waiter: Waiter,
    /// Nobody else may be left to hold it.
    _waker: Arc<Waker>,
    every: Option<(Duration, Instant)>,
    #[cfg(target_os = "linux")]
    signal: Option<i32>,
    #[cfg(target_os = "linux")]
    memory: Option<(Watch, FlightRecorder)>,
    refreshed_at: Instant,
    cut_stacks: u64,
}

impl Helper {
    /// With all that it will need. The caller is busy.
    pub(super) fn new(
        when: &When,
        dumper: &Arc<Dumper>,
        hooks: Vec<Hook>,
        at_exit: Option<&Arc<AtExit>>,
        (waker, waiter): (Arc<Waker>, Waiter),
    ) -> Result<Self, Error> {
        #[cfg(target_os = "linux")]
        let memory = Watch::new(when)?.map(|watch| {
            let recorder = FlightRecorder::new(&dumper.folder, modules());
            (watch, recorder)
        });
        let now = Instant::now();
        Ok(Self {
            dumper: Arc::clone(dumper),
            hooks,
            at_exit: at_exit.map(Arc::clone),
            waiter,
            _waker: waker,
            every: when.every.map(|every| (every, now + every)),
            #[cfg(target_os = "linux")]
            signal: when.signal,
            #[cfg(target_os = "linux")]
            memory,
            refreshed_at: now,
            cut_stacks: cut_stacks(),
        })
    }

    pub(super) fn spawn(mut self) -> io::Result<JoinHandle<()>> {
        Builder::new().name("heapprof".to_owned()).spawn(move || {
            let _busy = thread::busy();
            #[cfg(target_os = "linux")]
            super::signal::keep_others_away(self.signal);
            if let Some(at_exit) = &self.at_exit {
                at_exit.set_helper();
            }
            self.run();
        })
    }

    fn run(&mut self) {
        loop {
            let calls = self.waiter.wait(self.patience());
            if calls.has(Call::Stop) {
                return;
            }
            if calls.has(Call::Exit) {
                self.finish_exit();
            }
            if calls.has(Call::Signal) {
                self.dump(Reason::Signal);
            }
            self.dump_on_thresholds();
            self.dump_periodically();
            self.refresh_modules();
        }
    }

    /// How long to wait for a call.
    fn patience(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let most = match &self.memory {
            Some((watch, _)) => watch.patience(),
            None => REFRESH_EVERY,
        };
        #[cfg(not(target_os = "linux"))]
        let most = REFRESH_EVERY;
        let until_next = |(_, next): (_, Instant)| next.saturating_duration_since(Instant::now());
        self.every.map_or(most, |every| until_next(every).min(most))
    }

    fn dump(&mut self, reason: Reason) {
        if let Some(path) = self.dumper.dump(reason) {
            self.call_hooks(&path);
        }
    }

    fn dump_periodically(&mut self) {
        let now = Instant::now();
        if let Some((every, next)) = &mut self.every
            && now >= *next
        {
            // Those that were missed are not made up for.
            *next = now + *every;
            self.dump(Reason::Periodic);
        }
    }

    #[cfg(target_os = "linux")]
    fn dump_on_thresholds(&mut self) {
        let Some((watch, recorder)) = &mut self.memory else {
            return;
        };
        let now = Instant::now();
        let Some(reason) = watch.look(now) else {
            return;
        };
        let folder = &self.dumper.folder;
        let written = recorder.dump(folder, reason);
        watch.dumped(reason, now);
        let path = self.dumper.report(now, written);
        recorder.reserve(folder);
        if let Some(path) = path {
            self.call_hooks(&path);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn dump_on_thresholds(&mut self) {}

    /// Libraries that were opened meanwhile are known from here on.
    fn refresh_modules(&mut self) {
        let now = Instant::now();
        if now - self.refreshed_at < REFRESH_EVERY {
            return;
        }
        self.refreshed_at = now;
        let cut_stacks = cut_stacks();
        if cut_stacks == self.cut_stacks {
            return;
        }
        self.cut_stacks = cut_stacks;
        let modules = modules();
        #[cfg(target_os = "linux")]
        if let Some((_, recorder)) = &mut self.memory {
            recorder.update(modules);
        }
        #[cfg(not(target_os = "linux"))]
        drop(modules);
    }

    fn finish_exit(&mut self) {
        let Some(at_exit) = self.at_exit.clone() else {
            return;
        };
        if let Some(path) = at_exit.file() {
            self.call_hooks(&path);
        }
        at_exit.done();
    }

    fn call_hooks(&mut self, path: &Path) {
        for hook in &mut self.hooks {
            // What hooks allocate is the program's.
            let called = thread::not_busy(|| catch_unwind(AssertUnwindSafe(|| hook(path))));
            if called.is_err() {
                self.dumper.status(|status| status.hook_panics += 1);
                say("a hook of `on_dump` panicked");
            }
        }
    }
}

/// One number, which says nothing of any other: Relaxed.
fn cut_stacks() -> u64 {
    RECORDER.tallies().cut_stacks.load(Ordering::Relaxed)
}
