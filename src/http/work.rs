#![forbid(unsafe_code)]
//! From a server's tasks, which must not wait, to answers, which may.

mod worker;

use http::{Request, StatusCode};

use super::answer::{self, Answer};
use super::{Cancellation, Pprof};
pub(super) use worker::Worker;

/// Answers on a thread that may block: a profile over a time on one of the runtime's,
/// everything else on `worker`, if there is one. The work ends when this future is
/// dropped, as servers do when the client has gone away.
pub(super) async fn answer(
    pprof: Pprof,
    request: Request<impl AsRef<[u8]> + Send + 'static>,
    cancellation: Cancellation,
    worker: Option<&Worker>,
) -> Answer {
    let _cancels = CancelOnDrop(cancellation.clone());
    let takes_time = pprof.takes_time(&request);
    let work = move || pprof.respond(&request, &cancellation);
    let answer = match worker {
        Some(worker) if !takes_time => worker.run(work).await,
        _ => tokio::task::spawn_blocking(work).await.ok(),
    };
    // It panicked, and has told.
    answer.unwrap_or_else(|| {
        answer::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed to collect profile",
        )
    })
}

struct CancelOnDrop(Cancellation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
