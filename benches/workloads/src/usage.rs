//! What the operating system counted for this process.

use std::mem::MaybeUninit;
use std::time::Duration;

/// The most memory that was resident at once, in KiB.
pub(crate) fn peak_kib() -> i64 {
    usage().ru_maxrss
}

/// Processor time so far, of all threads.
pub(crate) fn processor_time() -> Duration {
    let usage = usage();
    let time = |part: libc::timeval| {
        Duration::from_secs(part.tv_sec.unsigned_abs())
            + Duration::from_micros(part.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn usage() -> libc::rusage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills it in; zeros would be a value too.
    unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    }
}
