//! Labels that stay with a future across its awaits and threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Labels;

/// A future under labels, see [`Labels::on`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Labelled<F> {
    labels: Labels,
    future: F,
}

impl<F> Labelled<F> {
    pub(super) fn new(labels: Labels, future: F) -> Self {
        Self { labels, future }
    }
}

impl<F: Future> Future for Labelled<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _in_force = self.labels.enter();
        // SAFETY: pinned with its owner, which moves it nowhere: it has no `Drop`, and gives
        // it out in no other way than this.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.future) };
        future.poll(context)
    }
}
