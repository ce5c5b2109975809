#![forbid(unsafe_code)]
//! Profiles in one call, as bytes or as a file.

use std::path::Path;

use crate::atomic_file;
use crate::error::Error;
use crate::export::{PprofOptions, View};
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

fn dump(view: View) -> Result<Vec<u8>, Error> {
    let _busy = thread::busy();
    let mut bytes = Vec::new();
    Snapshot::take()?.write_pprof(&mut bytes, PprofOptions::default().view(view))?;
    Ok(bytes)
}

fn dump_to(path: &Path, view: View) -> Result<(), Error> {
    let _busy = thread::busy();
    let bytes = dump(view)?;
    atomic_file::write(path, &bytes).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}
