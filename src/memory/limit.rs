//! The limits that can end this process, each beside what counts against it.

use std::fs;

use super::cgroup::Group;
use super::process::{Statm, StatmFile};
use super::text::kilobytes_of;

/// How much of a limit is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitTaken {
    /// `cgroup`, `address space` (`RLIMIT_AS`: allocations fail, and Rust's programs then
    /// abort) or `machine`.
    pub name: &'static str,
    /// What counts against it: of a control group, of the process's own or one around it, all
    /// that is charged without the page cache.
    pub bytes: u64,
    /// The limit.
    pub limit_bytes: u64,
}

impl LimitTaken {
    /// The one of which the largest part is taken, as it is now.
    pub(crate) fn nearest() -> Option<Self> {
        let process = StatmFile::open().and_then(|file| file.read()).ok()?;
        Limits::find().nearest(&process)
    }

    fn fraction(&self) -> f64 {
        self.bytes as f64 / self.limit_bytes as f64
    }
}

/// Every limit that there is.
#[derive(Debug)]
pub(crate) struct Limits {
    /// With a limit.
    groups: Vec<Group>,
    address_space_bytes: Option<u64>,
    machine_bytes: Option<u64>,
}

impl Limits {
    /// Looks for them: some tens of microseconds. They may change later.
    pub(crate) fn find() -> Self {
        let mut groups = Group::all();
        groups.retain(|group| group.limit_bytes.is_some_and(|bytes| bytes > 0));
        Self {
            groups,
            address_space_bytes: address_space_bytes(),
            machine_bytes: fs::read("/proc/meminfo")
                .ok()
                .and_then(|text| parse_total(&text)),
        }
    }

    /// The limit of which the largest part is taken: the one that will end the
    /// process if it goes on like this. Does not allocate.
    ///
    /// Against a control group's limit counts all that is charged to it, other
    /// processes' memory too, without the page cache, which the kernel gives up
    /// before it kills; against `RLIMIT_AS` the address space; against the
    /// machine's memory what of this process is resident.
    pub(crate) fn nearest(&self, process: &Statm) -> Option<LimitTaken> {
        let own = [
            (
                "address space",
                self.address_space_bytes,
                process.virtual_bytes,
            ),
            ("machine", self.machine_bytes, process.resident_bytes),
        ];
        let own = own.into_iter().filter_map(|(name, limit, bytes)| {
            limit.map(|limit_bytes| LimitTaken {
                name,
                bytes,
                limit_bytes,
            })
        });
        self.groups
            .iter()
            .filter_map(taken_of)
            .chain(own)
            .max_by(|a, b| a.fraction().total_cmp(&b.fraction()))
    }
}

fn taken_of(group: &Group) -> Option<LimitTaken> {
    let usage = group.usage_bytes().ok()?;
    let page_cache = group.page_cache_bytes().unwrap_or(0);
    Some(LimitTaken {
        name: "cgroup",
        bytes: usage.saturating_sub(page_cache),
        limit_bytes: group.limit_bytes?,
    })
}

fn address_space_bytes() -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: fills in our own variable.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } != 0;
    let is_limited = !failed && limit.rlim_cur != libc::RLIM_INFINITY && limit.rlim_cur > 0;
    is_limited.then_some(limit.rlim_cur)
}

/// All memory of the machine, by `/proc/meminfo`.
pub(super) fn parse_total(text: &[u8]) -> Option<u64> {
    kilobytes_of(text, "MemTotal").filter(|&bytes| bytes > 0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_is_nearest_is_told() {
        let limits = Limits {
            groups: Vec::new(),
            address_space_bytes: Some(1 << 30),
            machine_bytes: Some(1 << 34),
        };
        let process = |virtual_bytes, resident_bytes| Statm {
            virtual_bytes,
            resident_bytes,
        };
        let nearest = |process| {
            limits
                .nearest(&process)
                .map(|taken| (taken.name, taken.bytes))
        };
        let address_space = Some(("address space", 512 << 20));
        assert_eq!(nearest(process(512 << 20, 100 << 20)), address_space);
        let machine = Some(("machine", 1 << 33));
        assert_eq!(nearest(process(1 << 28, 1 << 33)), machine);
        let none = Limits {
            groups: Vec::new(),
            address_space_bytes: None,
            machine_bytes: None,
        };
        assert_eq!(none.nearest(&process(1, 1)), None);
    }

    #[test]
    fn a_machine_has_memory_and_we_take_some() {
        assert_eq!(
            parse_total(b"MemTotal:  16 kB\nMemFree: 1 kB\n"),
            Some(16 << 10)
        );
        assert_eq!(parse_total(b"MemTotal: 0 kB\n"), None);
        let taken = LimitTaken::nearest().unwrap();
        assert!(
            taken.fraction() > 0.0 && taken.fraction() < 1.0,
            "{taken:?}"
        );
    }
}
