#![forbid(unsafe_code)]
//! Where the memory of the process is: the live heap beside what the allocator, the
//! kernel and the control group say.

mod parts;
mod table;

use crate::counts::Counts;
use crate::error::Error;
pub use crate::memory::allocator::AllocatorMemory;
use crate::memory::cgroup::Group;
pub use crate::memory::limit::LimitTaken;
pub use crate::memory::process::ProcessMemory;
use crate::record::recorder::RECORDER;
use crate::record::thread;
use crate::snapshot::{Stats, for_each_record};
pub use parts::Part;

/// What is known of the process's memory, from the live objects outwards.
///
/// Figures come from different places one after the other, while the program goes on;
/// what a place does not tell is `None`. [`parts`](Self::parts) divides the resident
/// memory by them. Shown with `{}`, it is a small table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Memory {
    /// Live objects, with the sizes that were asked for: heapprof's estimate.
    pub in_use: Counts,
    /// What the allocator below heapprof says of itself: glibc's always, jemalloc's and
    /// mimalloc's with the feature of that name.
    pub allocator: Option<AllocatorMemory>,
    /// By `/proc/self/smaps_rollup`. Linux only.
    pub process: Option<ProcessMemory>,
    /// The process's control group. Linux only, where memory is accounted for.
    pub cgroup: Option<CgroupMemory>,
    /// The limit of which most is taken. Linux only.
    pub nearest_limit: Option<LimitTaken>,
    /// The profiler's own tables ([`Stats::own_bytes`], touched or not) and the names that it
    /// keeps.
    pub own_bytes: u64,
}

/// What is charged to the process's control group, other processes in it included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CgroupMemory {
    /// Everything (`memory.current`, `memory.usage_in_bytes`).
    pub usage_bytes: u64,
    /// Of it, files that the kernel lets go of before it kills.
    pub page_cache_bytes: Option<u64>,
    /// The group's own limit, if it has one.
    pub limit_bytes: Option<u64>,
}

/// Looks at the process's memory from every side.
///
/// Costs microseconds, and about a millisecond for each GiB that is resident, which the
/// kernel walks through.
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn memory() -> Result<Memory, Error> {
    let _busy = thread::busy();
    let stats = for_each_record(|_| {})?;
    Ok(Memory::now(&stats))
}

impl Memory {
    /// With the totals of statistics that were just taken.
    pub(crate) fn now(stats: &Stats) -> Self {
        let _busy = thread::busy();
        Self {
            in_use: stats.in_use,
            allocator: AllocatorMemory::now(RECORDER.below()),
            process: ProcessMemory::now().ok(),
            cgroup: Group::all().first().and_then(CgroupMemory::of),
            nearest_limit: LimitTaken::nearest(),
            own_bytes: stats.own_bytes + stats.resolved_frames_bytes,
        }
    }
}

impl CgroupMemory {
    fn of(group: &Group) -> Option<Self> {
        Some(Self {
            usage_bytes: group.usage_bytes().ok()?,
            page_cache_bytes: group.page_cache_bytes().ok(),
            limit_bytes: group.limit_bytes,
        })
    }
}
