//! A control group of our own, where the machine permits it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

/// Removed at the end.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// A group that may take so much memory, and nothing from swap; `None` where
    /// none can be made.
    pub fn with_limit(bytes: u64) -> Option<Self> {
        [
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.swappiness",
            ),
            ("/sys/fs/cgroup", "memory.max", "memory.swap.max"),
        ]
        .iter()
        .find_map(|(parent, limit, swap)| {
            let folder = Path::new(parent).join(format!("heapprof-test-{}", process::id()));
            fs::create_dir(&folder).ok()?;
            let group = Self { folder };
            fs::write(group.folder.join(limit), bytes.to_string()).ok()?;
            // There may be no swap to forbid.
            let _ = fs::write(group.folder.join(swap), "0");
            Some(group)
        })
    }

    /// What a process writes its id to, to be one of the group.
    pub fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
