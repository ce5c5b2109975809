//! What this process takes.

use std::fs::{self, File};
use std::io;

use super::text::{kilobytes_of, number, read_again, unexpected};

/// What every task is told about itself for the asking: in `/proc/self/statm`,
/// some microseconds to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statm {
    /// Address space, in bytes.
    pub(crate) virtual_bytes: u64,
    /// Resident memory. From Linux 6.2 on, off by up to a few hundred KiB on a
    /// machine with many processors.
    pub(crate) resident_bytes: u64,
}

/// Reads [`Statm`] again and again.
#[derive(Debug)]
pub(crate) struct StatmFile {
    file: File,
    page_bytes: u64,
}

impl StatmFile {
    /// Of the process that opens it, whoever reads.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            file: File::open("/proc/self/statm")?,
            page_bytes: page_bytes(),
        })
    }

    /// Does not allocate.
    pub(crate) fn read(&self) -> io::Result<Statm> {
        let mut buffer = [0; 256];
        let text = read_again(&self.file, &mut buffer)?;
        Statm::parse(text, self.page_bytes).ok_or_else(|| unexpected("/proc/self/statm"))
    }
}

impl Statm {
    /// `size resident shared text lib data dt`, in pages.
    pub(super) fn parse(text: &[u8], page_bytes: u64) -> Option<Self> {
        let mut fields = text.split(|byte| byte.is_ascii_whitespace());
        let mut bytes = || number(fields.next()?)?.checked_mul(page_bytes);
        Some(Self {
            virtual_bytes: bytes()?,
            resident_bytes: bytes()?,
        })
    }
}

/// Resident memory, and the most there ever was of it: in `/proc/self/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) resident_bytes: u64,
    /// Since the program's start, or since somebody had the kernel begin anew. Not of
    /// the program that was in the process before, whose part in `ru_maxrss` stays.
    pub(crate) peak_resident_bytes: u64,
}

impl Status {
    pub(crate) fn now() -> io::Result<Self> {
        let path = "/proc/self/status";
        Self::parse(&fs::read(path)?).ok_or_else(|| unexpected(path))
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        Some(Self {
            resident_bytes: kilobytes_of(text, "VmRSS")?,
            peak_resident_bytes: kilobytes_of(text, "VmHWM")?,
        })
    }
}

/// What the kernel says of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessMemory {
    /// Pages in memory (`Rss`).
    pub resident_bytes: u64,
    /// The same, with shared pages divided among those who share them (`Pss`).
    pub proportional_bytes: u64,
    /// Of the resident pages, those that no file is behind: heap and stacks (`Anonymous`).
    pub anonymous_bytes: u64,
    /// The other resident pages: programs, libraries, mapped files, shared memory.
    pub file_bytes: u64,
    /// Pages that were swapped out (`Swap`).
    pub swap_bytes: u64,
}

impl ProcessMemory {
    /// By `/proc/self/smaps_rollup`, for which the kernel walks the page tables: about a
    /// millisecond for each GiB, and mappings cannot change meanwhile.
    pub(crate) fn now() -> io::Result<Self> {
        let path = "/proc/self/smaps_rollup";
        Self::parse(&fs::read(path)?).ok_or_else(|| unexpected(path))
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let resident_bytes = kilobytes_of(text, "Rss")?;
        let anonymous_bytes = kilobytes_of(text, "Anonymous")?;
        Some(Self {
            resident_bytes,
            proportional_bytes: kilobytes_of(text, "Pss")?,
            anonymous_bytes,
            file_bytes: resident_bytes.saturating_sub(anonymous_bytes),
            swap_bytes: kilobytes_of(text, "Swap")?,
        })
    }
}

/// The most that this program ever had resident, in bytes.
#[cfg(feature = "http")]
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    if cfg!(target_os = "linux") {
        return Some(Status::now().ok()?.peak_resident_bytes);
    }
    // SAFETY: every byte of it may be zero.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is where the kernel may write.
    let failed = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } != 0;
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    let peak = u64::try_from(usage.ru_maxrss).ok()?;
    (!failed && peak > 0).then(|| peak * unit)
}

/// What times in `/proc` are counted in.
#[cfg(feature = "http")]
pub(super) fn clock_ticks_per_second() -> Option<u64> {
    // SAFETY: asks for a number.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|&ticks| ticks > 0)
}

fn page_bytes() -> u64 {
    // SAFETY: asks for a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statm_is_in_pages() {
        let expected = Statm {
            virtual_bytes: 765 * 4096,
            resident_bytes: 410 * 4096,
        };
        let text = b"765 410 382 5 0 123 0\n";
        assert_eq!(Statm::parse(text, 4096), Some(expected));
        for text in [&b""[..], b"1", b"1 x", b"18446744073709551615 1 1"] {
            assert_eq!(Statm::parse(text, 4096), None, "{text:?}");
        }
    }

    #[test]
    fn a_rollup_is_in_kilobytes() {
        let text = b"55f749f2f000-7ffcf4504000 ---p 00000000 00:00 0    [rollup]\n\
            Rss:                1652 kB\nPss:                 246 kB\nPss_Anon:            112 kB\n\
            Anonymous:           112 kB\nSwap:                  8 kB\nSwapPss:               4 kB\n";
        let expected = ProcessMemory {
            resident_bytes: 1652 << 10,
            proportional_bytes: 246 << 10,
            anonymous_bytes: 112 << 10,
            file_bytes: 1540 << 10,
            swap_bytes: 8 << 10,
        };
        assert_eq!(ProcessMemory::parse(text), Some(expected));
        assert_eq!(ProcessMemory::parse(&text[..150]), None);
    }

    #[test]
    fn a_status_is_in_kilobytes() {
        let text = b"VmPeak:\t    2560 kB\nVmHWM:\t    1800 kB\nVmRSS:\t    1652 kB\n";
        let expected = Status {
            resident_bytes: 1652 << 10,
            peak_resident_bytes: 1800 << 10,
        };
        assert_eq!(Status::parse(text), Some(expected));
        assert_eq!(Status::parse(&text[..40]), None);
    }

    /// A block that is touched is resident, by both accounts, whatever other
    /// threads do meanwhile; and was when it is freed.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_touched_is_resident() {
        const BYTES: u64 = 64 << 20;
        let block = std::hint::black_box(vec![1_u8; BYTES as usize]);
        let statm = StatmFile::open().unwrap().read().unwrap();
        let rollup = ProcessMemory::now().unwrap();
        assert!(statm.resident_bytes >= BYTES);
        assert!(statm.virtual_bytes >= statm.resident_bytes);
        assert!(rollup.anonymous_bytes >= BYTES);
        drop(block);
        let status = Status::now().unwrap();
        assert!(status.peak_resident_bytes >= BYTES);
        assert!(status.peak_resident_bytes >= status.resident_bytes);
    }

    /// A process that begins with its parent's memory counts that as its own peak, and
    /// goes on counting it when another program takes its place.
    #[cfg(all(feature = "http", target_os = "linux"))]
    #[test]
    fn a_peak_is_this_programs_own() {
        const BYTES: u64 = 256 << 20;
        const TELL: &str = "HEAPPROF_TEST_TELLS_ITS_PEAK";
        let peak = peak_resident_bytes().unwrap();
        if std::env::var_os(TELL).is_some() {
            eprintln!("{peak}");
            return;
        }
        drop(std::hint::black_box(vec![1_u8; BYTES as usize]));
        assert!(peak_resident_bytes().unwrap() >= BYTES);
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("memory::process::tests::a_peak_is_this_programs_own")
            .env(TELL, "")
            .output()
            .unwrap();
        let told = String::from_utf8(child.stderr).unwrap();
        let childs: u64 = told.trim().parse().unwrap();
        assert!((1..BYTES).contains(&childs), "{childs}");
    }
}
