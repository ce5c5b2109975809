//! What the allocator below the wrapper says of itself.
//!
//! Each has its own words for its figures; here they have one name each, and what an
//! allocator does not tell is absent.

use crate::record::below::Below;

/// What an allocator took from the operating system, and what of that it gave out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocatorMemory {
    /// `jemalloc`, `mimalloc` or `glibc`.
    pub name: &'static str,
    /// Given out, each block with the size that the allocator has for it: jemalloc's
    /// `stats.allocated`; glibc's `uordblks + hblkhd`, where blocks that wait in a
    /// thread's cache for their next use count as well.
    pub allocated_bytes: Option<u64>,
    /// Pages that hold such blocks, with what is free in them: jemalloc's
    /// `stats.active`; glibc's `uordblks + fordblks + hblkhd`, of which some may have been
    /// given back or never have been touched; mimalloc's committed memory.
    pub active_bytes: Option<u64>,
    /// The allocator's own: jemalloc's `stats.metadata`.
    pub metadata_bytes: Option<u64>,
    /// At most so much is resident: jemalloc's `stats.resident`, the active pages, those
    /// that were used and are kept for the next time, and its own.
    pub resident_bytes: Option<u64>,
    /// Mapped in active extents: jemalloc's `stats.mapped`; glibc's `arena + hblkhd`.
    pub mapped_bytes: Option<u64>,
    /// Address space that was given back and is kept for the next time. Not memory:
    /// jemalloc's `stats.retained`.
    pub retained_bytes: Option<u64>,
}

impl AllocatorMemory {
    /// Of the allocator that the recorder found below it; none if it is one that we
    /// cannot ask, or that this build has no feature for.
    ///
    /// Takes microseconds; with glibc, its locks for as long as its free lists are long.
    pub(crate) fn now(below: Below) -> Option<Self> {
        match below {
            Below::Jemalloc => jemalloc(),
            Below::Mimalloc => mimalloc(),
            Below::System => glibc(),
            Below::Other => None,
        }
    }
}

#[cfg(feature = "jemalloc")]
fn jemalloc() -> Option<AllocatorMemory> {
    use tikv_jemalloc_ctl::{epoch, stats};

    // The figures are as of the last such call.
    epoch::advance().ok()?;
    let bytes = |read: tikv_jemalloc_ctl::Result<usize>| read.ok().map(|bytes| bytes as u64);
    Some(AllocatorMemory {
        name: "jemalloc",
        allocated_bytes: bytes(stats::allocated::read()),
        active_bytes: bytes(stats::active::read()),
        metadata_bytes: bytes(stats::metadata::read()),
        resident_bytes: bytes(stats::resident::read()),
        mapped_bytes: bytes(stats::mapped::read()),
        retained_bytes: bytes(stats::retained::read()),
    })
}

#[cfg(not(feature = "jemalloc"))]
fn jemalloc() -> Option<AllocatorMemory> {
    None
}

#[cfg(feature = "mimalloc")]
fn mimalloc() -> Option<AllocatorMemory> {
    let mut committed = 0_usize;
    let unasked = std::ptr::null_mut();
    // SAFETY: writes to `committed`, which is ours, and not to what is null: it is
    // documented that each may be.
    unsafe {
        libmimalloc_sys::mi_process_info(
            unasked,
            unasked,
            unasked,
            unasked,
            unasked,
            &raw mut committed,
            unasked,
            unasked,
        );
    }
    // What it counts beyond that depends on how it was built; a release build counts no
    // blocks. Its resident memory is an estimate by what is committed.
    Some(AllocatorMemory {
        name: "mimalloc",
        active_bytes: Some(committed as u64),
        ..AllocatorMemory::default()
    })
}

#[cfg(not(feature = "mimalloc"))]
fn mimalloc() -> Option<AllocatorMemory> {
    None
}

/// Asked for by name: glibc has it since 2.33, and a program that needs it could not be
/// started with an older one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn glibc() -> Option<AllocatorMemory> {
    // SAFETY: looks a name up.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"mallinfo2".as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: glibc's function of this name has this type.
    let mallinfo2: extern "C" fn() -> libc::mallinfo2 = unsafe { std::mem::transmute(symbol) };
    let info = mallinfo2();
    let [mapped_alone, arenas, used, free] =
        [info.hblkhd, info.arena, info.uordblks, info.fordblks].map(|bytes| bytes as u64);
    Some(AllocatorMemory {
        name: "glibc",
        allocated_bytes: Some(used + mapped_alone),
        active_bytes: Some(used + free + mapped_alone),
        mapped_bytes: Some(arenas + mapped_alone),
        ..AllocatorMemory::default()
    })
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn glibc() -> Option<AllocatorMemory> {
    None
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Large enough that no other test's comings and goings hide it.
    #[test]
    fn glibc_counts_what_it_gives_out() {
        const BYTES: u64 = 256 << 20;
        let before = AllocatorMemory::now(Below::System).unwrap();
        let block = std::hint::black_box(Vec::<u8>::with_capacity(BYTES as usize));
        let now = AllocatorMemory::now(Below::System).unwrap();
        let grown = |of: fn(&AllocatorMemory) -> Option<u64>| {
            of(&now).unwrap().saturating_sub(of(&before).unwrap()) >= BYTES * 3 / 4
        };
        assert!(grown(|memory| memory.allocated_bytes));
        assert!(grown(|memory| memory.active_bytes));
        assert!(grown(|memory| memory.mapped_bytes));
        drop(block);
        assert_eq!(AllocatorMemory::now(Below::Other), None);
    }
}
