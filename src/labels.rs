//! Labels: for whom memory is allocated, as the program tells.

mod future;
#[cfg(feature = "tracing")]
mod spans;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::error::Error;
use crate::record::recorder::RECORDER;
use crate::record::thread::{self, Thread};
use crate::snapshot::ensure_registered;

pub use future::Labelled;
#[cfg(feature = "tracing")]
pub use spans::LabelLayer;

/// Characters of a key and of a value; what is longer is cut.
const KEY_CHARS: usize = 64;
const VALUE_CHARS: usize = 128;

/// Runs `f` with labels on whatever it allocates, beside those in force.
///
/// ```
/// let image = heapprof::with_labels([("route", "/images")], || vec![0_u8; 1 << 20]);
/// # drop(image);
/// ```
///
/// Profiles have them as labels: `go tool pprof -tags` lists them,
/// `-tagfocus=route=/images` shows what was allocated under one, `-tagroot=route` puts
/// them at the root of every stack. They are taken at the allocation: memory that is
/// handed on, and freed elsewhere, stays that of those who allocated it. They hold on
/// this thread, up to the end of `f`; [`Labels`] has what else there is: a guard, and
/// futures.
///
/// See [`Labels::new`] for the limits and the cost.
pub fn with_labels<K: AsRef<str>, V: AsRef<str>, R>(
    labels: impl IntoIterator<Item = (K, V)>,
    f: impl FnOnce() -> R,
) -> R {
    let _in_force = Labels::new(labels).enter();
    f()
}

/// Records what each thread is called, or no longer, as
/// [`Alloc::with_thread_labels`](crate::Alloc::with_thread_labels) does. Concerns
/// samples from now on.
///
/// # Errors
/// [`Error::NotRegistered`].
pub fn label_threads(is_on: bool) -> Result<(), Error> {
    ensure_registered()?;
    RECORDER.label_threads(is_on);
    Ok(())
}

/// A set of labels. It is one number: copied, sent to other threads and put in force
/// as quickly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(u32);

impl Labels {
    /// These labels and those in force on the calling thread; a key has the value that
    /// it was given last.
    ///
    /// Every set is kept once, for as long as the program runs, and stacks are kept for
    /// each set: labels are for routes, tenants and kinds of jobs, not for single
    /// requests. There are 4,096 sets in 512 KiB. Beyond that values are `[other]`,
    /// with the keys as they are, and [`Stats::refused_labels`](crate::Stats) counts.
    /// Keys are cut after 64 characters, values after 128.
    ///
    /// Costs some 300 ns; [`enter`](Self::enter) costs a few. It does nothing, and the
    /// set is that of no labels, if [`Alloc`](crate::Alloc) is not registered.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(labels: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::current().with(labels)
    }

    /// These labels and those of the set.
    #[must_use]
    pub fn with<K: AsRef<str>, V: AsRef<str>>(
        self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let _busy = thread::busy();
        if ensure_registered().is_err() {
            return self;
        }
        let added: Vec<(K, V)> = labels.into_iter().collect();
        let mut all: BTreeMap<&str, &str> = pairs(self.0).collect();
        all.extend(
            added
                .iter()
                .map(|(key, value)| (key.as_ref(), value.as_ref())),
        );
        let mut text = String::new();
        for (key, value) in &all {
            append(&mut text, key, KEY_CHARS);
            append(&mut text, value, VALUE_CHARS);
        }
        let other = || {
            let mut text = String::new();
            for key in all.keys() {
                append(&mut text, key, KEY_CHARS);
                append(&mut text, "[other]", VALUE_CHARS);
            }
            text
        };
        Self(RECORDER.number_labels(text.as_bytes(), other))
    }

    /// Those in force on the calling thread.
    pub fn current() -> Self {
        Self(Thread::with(Thread::labels))
    }

    /// Puts the set in force on the calling thread, in place of the one that is, until
    /// the guard is dropped.
    #[must_use = "labels are in force while the guard lives"]
    pub fn enter(self) -> EnteredLabels {
        EnteredLabels {
            before: self.put_in_force(),
            on_this_thread: PhantomData,
        }
    }

    /// A future that has the set in force whenever it is polled, on whichever thread.
    pub fn on<F>(self, future: F) -> Labelled<F> {
        Labelled::new(self, future)
    }

    /// Returns the set before.
    fn put_in_force(self) -> Self {
        Self(Thread::with(|thread| thread.replace_labels(self.0)))
    }
}

/// Labels in force while it lives, see [`Labels::enter`].
#[derive(Debug)]
pub struct EnteredLabels {
    before: Labels,
    /// Dropped elsewhere, it would put them in force there.
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for EnteredLabels {
    fn drop(&mut self) {
        self.before.put_in_force();
    }
}

/// The labels of a set with a number, in the order of their keys.
pub(crate) fn pairs(number: u32) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut rest = RECORDER.labels().text(number).split(|&byte| byte == 0);
    // A name that the kernel cut may end in the midst of a character.
    let text = |bytes: &'static [u8]| match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    std::iter::from_fn(move || Some((text(rest.next()?), text(rest.next()?))))
}

/// Without the mark that ends it, and not too long; with that mark behind it.
fn append(text: &mut String, part: &str, chars: usize) {
    let chars = part.chars().take(chars);
    text.extend(chars.map(|c| if c == '\0' { ' ' } else { c }));
    text.push('\0');
}
