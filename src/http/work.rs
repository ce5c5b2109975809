#![forbid(unsafe_code)]
//! From a server's tasks, which must not wait, to answers, which may.

use http::{Request, Response, StatusCode};

use super::answer::{self, Answer};
use super::{Cancellation, Pprof};

/// Answers on a thread that may block. The work ends when this future is dropped,
/// as servers do when the client has gone away.
pub(super) async fn answer(
    pprof: Pprof,
    request: Request<impl AsRef<[u8]> + Send + 'static>,
    cancellation: Cancellation,
) -> Answer {
    let _cancels = CancelOnDrop(cancellation.clone());
    let work = move || pprof.respond(&request, &cancellation);
    let answer: Result<Response<_>, _> = tokio::task::spawn_blocking(work).await;
    answer.unwrap_or_else(|_panic| {
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
