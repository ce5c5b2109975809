//! Time and memory of one call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::Result;

/// What a call took.
pub(crate) struct Cost {
    pub(crate) ms: f64,
    /// Anonymous memory at most, above what it was before.
    pub(crate) peak_mib: f64,
    /// The same after the call.
    pub(crate) stays_mib: f64,
}

/// Calls `function` while a second thread watches the memory.
pub(crate) fn cost_of<T>(function: impl FnOnce() -> T) -> Result<(Cost, T)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (watching, is_watching) = mpsc::channel();
        let watcher = scope.spawn(|| watch(&done, watching));
        let before = is_watching.recv()?;
        let start = Instant::now();
        let result = function();
        let ms = start.elapsed().as_secs_f64() * 1e3;
        done.store(true, Ordering::Release);
        let peak = watcher.join().map_err(|_| "the watcher panicked")??;
        let after = anonymous_mib()?;
        let cost = Cost {
            ms,
            peak_mib: peak.max(after) - before,
            stays_mib: after - before,
        };
        Ok((cost, result))
    })
}

/// Sends what is in use at the start, and returns what was at most.
fn watch(done: &AtomicBool, watching: mpsc::Sender<f64>) -> Result<f64> {
    let mut peak = anonymous_mib()?;
    watching.send(peak)?;
    while !done.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(1));
        peak = peak.max(anonymous_mib()?);
    }
    Ok(peak)
}

fn anonymous_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib
        .ok_or("no RssAnon in /proc/self/status")?
        .parse::<f64>()?
        / 1024.0)
}
