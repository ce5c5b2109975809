//! What the operating system counted for this process.

use std::mem::MaybeUninit;
use std::time::Duration;

/// The most memory that was resident at once, in KiB. (What `getrusage` tells
/// includes the program that started this one.)
pub(crate) fn peak_kib() -> u64 {
    status_kib("VmHWM:")
}

/// Memory that is resident now, in KiB.
pub(crate) fn resident_kib() -> u64 {
    status_kib("VmRSS:")
}

fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Processor time so far, of all threads.
pub(crate) fn processor_time() -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills it in; zeros would be a value too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |part: libc::timeval| {
        Duration::from_secs(part.tv_sec.unsigned_abs())
            + Duration::from_micros(part.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}
