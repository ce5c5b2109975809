#![forbid(unsafe_code)]
//! Profiles in one call, as bytes or as a file.

use std::path::Path;
use std::time::Duration;

use crate::atomic_file;
use crate::error::Error;
use crate::export::{PprofOptions, View, ages, lifetimes};
use crate::lifetimes::Lifetimes;
use crate::record::thread;
use crate::snapshot::Snapshot;

/// A profile for `go tool pprof` that shows what is in use now.
///
/// Gzipped protobuf with functions, files and lines; costs what
/// [`Symbols::Full`](crate::Symbols::Full) says.
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn dump_heap() -> Result<Vec<u8>, Error> {
    dump(View::InUse)
}

/// Writes [`dump_heap`] to a file.
///
/// The file appears at `path` whole or not at all, and an earlier one is
/// replaced in the same moment: the profile is written to a temporary file next
/// to it (readable by its owner only), synced and renamed. A symbolic link is
/// followed, and what it points to replaced. What exists and is no regular file,
/// such as `/dev/stdout` or a fifo, is written to directly.
///
/// # Errors
///
/// Those of [`dump_heap`], and [`Error::Io`] if the file cannot be written; then
/// an earlier file is as it was, and no temporary file is left.
pub fn dump_heap_to(path: impl AsRef<Path>) -> Result<(), Error> {
    dump_to(path.as_ref(), View::InUse)
}

/// A profile that shows all allocations since the program's start, freed or not;
/// otherwise like [`dump_heap`].
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn dump_allocs() -> Result<Vec<u8>, Error> {
    dump(View::Allocs)
}

/// Writes [`dump_allocs`] to a file, like [`dump_heap_to`].
///
/// # Errors
///
/// Those of [`dump_heap_to`].
pub fn dump_allocs_to(path: impl AsRef<Path>) -> Result<(), Error> {
    dump_to(path.as_ref(), View::Allocs)
}

/// A profile that shows what was in use when the program had most in use
/// altogether, since its start or the last [`reset_peak`](crate::reset_peak);
/// otherwise like [`dump_heap`].
///
/// Nothing has to be running at that moment: every stack's figures of it are kept
/// as a matter of course. With one thread and every allocation sampled they are
/// exact; with more threads, off by at most one sample for each thread that was
/// allocating or freeing at that very moment. When it was is in
/// [`Stats`](crate::Stats) and in the profile's comments.
///
/// Of estimates the highest is taken, which is too high rather than too low: by one
/// to three standard errors where the heap stays about as large for long.
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn dump_peak() -> Result<Vec<u8>, Error> {
    dump(View::Peak)
}

/// Writes [`dump_peak`] to a file, like [`dump_heap_to`].
///
/// # Errors
///
/// Those of [`dump_heap_to`].
pub fn dump_peak_to(path: impl AsRef<Path>) -> Result<(), Error> {
    dump_to(path.as_ref(), View::Peak)
}

/// [`dump_heap`], with how long everything has been in use: the label `age`, in
/// seconds. `go tool pprof -tagfocus=age=600s:` shows what has been for ten minutes
/// or longer, `-tags` how much is how old.
///
/// Ages are rounded down to 0, 1, 2, 5, 10, 20 and 30 seconds, 1, 2, 5, 10, 20 and
/// 30 minutes, 1, 2, 6 and 12 hours, 1, 2, 5, 10, 20, 50 and 100 days. What was
/// allocated altogether has no such label.
///
/// Looks at every sample that is live: about 60 ms for a million of them.
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn dump_ages() -> Result<Vec<u8>, Error> {
    let _busy = thread::busy();
    let snapshot = Snapshot::take()?;
    Ok(ages::heap_by_age(&snapshot, PprofOptions::default()))
}

/// Writes [`dump_ages`] to a file, like [`dump_heap_to`].
///
/// # Errors
///
/// Those of [`dump_heap_to`].
pub fn dump_ages_to(path: impl AsRef<Path>) -> Result<(), Error> {
    write_to(path.as_ref(), dump_ages)
}

/// [`dump_allocs`], with how long everything lived that was freed: the label
/// `lifetime`, in milliseconds. What is freed soon costs time, what lives long costs
/// memory, and `go tool pprof -tagfocus=lifetime=:1s` shows what lived for less than
/// a second, `-tagfocus=lifetime=1min:` what lived for a minute or longer, `-tags` how
/// much lived how long.
///
/// Lifetimes are told apart at 10 ms, 100 ms, 1 s, 10 s, 1 min, 10 min and 1 h, to
/// about 10 ms. The label lies between: 3, 30 and 300 ms, 3 and 30 s, 3 and 30 min, 3 h.
/// What is in use has no such label: nobody knows how long it will live. All labels
/// together, and what has none, are the plain profile, to the byte and the object.
///
/// A block that grows by `realloc` is freed and allocated anew, as everywhere.
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn dump_lifetimes() -> Result<Vec<u8>, Error> {
    let _busy = thread::busy();
    // First, so that the snapshot has all of them.
    let freed = Lifetimes::collect();
    let snapshot = Snapshot::take()?;
    Ok(lifetimes::allocs_by_lifetime(
        &snapshot,
        &freed,
        PprofOptions::default(),
    ))
}

/// Writes [`dump_lifetimes`] to a file, like [`dump_heap_to`].
///
/// # Errors
///
/// Those of [`dump_heap_to`].
pub fn dump_lifetimes_to(path: impl AsRef<Path>) -> Result<(), Error> {
    write_to(path.as_ref(), dump_lifetimes)
}

/// A profile of what has been in use for `older` or longer, ranked by growth: what
/// may be a leak comes first.
///
/// Growth is what came to be that old in the last `older`: what was allocated
/// between `older` and twice as long ago, and is in use still. Memory that the
/// program took at its start and keeps does not grow; a leak does, as much in each
/// such time. Nothing is compared with an earlier profile. Figures are
/// `growth_space` (shown unless told otherwise), `growth_objects`, `inuse_space` and
/// `inuse_objects`. A program that has not run for twice `older` yet has everything
/// of that age in its growth.
///
/// Costs what [`dump_ages`] does.
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn dump_leaks(older: Duration) -> Result<Vec<u8>, Error> {
    let _busy = thread::busy();
    let snapshot = Snapshot::take()?;
    Ok(ages::leaks(&snapshot, older, PprofOptions::default()))
}

/// Writes [`dump_leaks`] to a file, like [`dump_heap_to`].
///
/// # Errors
///
/// Those of [`dump_heap_to`].
pub fn dump_leaks_to(path: impl AsRef<Path>, older: Duration) -> Result<(), Error> {
    write_to(path.as_ref(), || dump_leaks(older))
}

fn dump(view: View) -> Result<Vec<u8>, Error> {
    let _busy = thread::busy();
    Ok(Snapshot::take()?.to_pprof(PprofOptions::default().view(view)))
}

fn dump_to(path: &Path, view: View) -> Result<(), Error> {
    write_to(path, || dump(view))
}

fn write_to(path: &Path, dump: impl FnOnce() -> Result<Vec<u8>, Error>) -> Result<(), Error> {
    let _busy = thread::busy();
    let bytes = dump()?;
    atomic_file::write(path, &bytes).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}
