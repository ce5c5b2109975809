#![forbid(unsafe_code)]
//! A thread that does one thing after the other.
//!
//! Allocators keep what a thread once needed for that thread. So that a program that
//! is scraped for ever needs what one profile takes, and not as much for each of a
//! pool's threads, profiles are made here.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Ends its thread when it is dropped, after what was asked for.
#[derive(Debug)]
pub(in crate::http) struct Worker {
    /// There until the end.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(in crate::http) fn start(name: &str) -> io::Result<Self> {
        let (jobs, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&waiting))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// What `work` returns, or nothing if it panicked. Dropped before its turn came, it
    /// is not begun.
    pub(in crate::http) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            if !sender.is_closed() {
                // Whoever waited may have gone meanwhile.
                let _ = sender.send(work());
            }
        };
        self.jobs.as_ref()?.send(Box::new(job)).ok()?;
        receiver.await.ok()
    }
}

fn work(waiting: &Receiver<Job>) {
    while let Ok(job) = waiting.recv() {
        // The message was printed, and nobody else has what is unwound.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn one_thread_does_it_all_and_survives_panics() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let worker = Worker::start("worker").unwrap();
            let first = worker.run(|| thread::current().id()).await;
            let failed: Option<()> = worker.run(|| panic!("as the test wants it")).await;
            let second = worker.run(|| thread::current().id()).await;
            assert!(first.is_some() && failed.is_none() && first == second);
        });
    }

    #[test]
    fn what_nobody_waits_for_is_not_begun() {
        let worker = Worker::start("worker").unwrap();
        let (begin, begun) = channel::<()>();
        let first = worker.run(move || begun.recv());
        let second = worker.run(|| unreachable!("nobody waits for it"));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            tokio::select! {
                biased;
                () = async { tokio::join!(first, second); } => {}
                () = tokio::task::yield_now() => {}
            }
        });
        begin.send(()).unwrap();
        drop(worker);
    }
}
