//! What time it is, to be asked inside malloc: without a system call, and in a few
//! nanoseconds.
//!
//! On Linux, the clock that the kernel moves on at each of its ticks (1 to 10 ms):
//! to read it is to load two words of a page that the kernel shares. The
//! processor's own counter is as quick and finer, but how fast it goes is not known
//! without waiting for it, and not the same on every processor of every machine.

/// Nanoseconds since some moment before the program's start. Never goes back, on
/// Unix.
#[cfg(unix)]
pub(crate) fn now() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to our own variable. If it fails, that stays 0, and everything is
    // of one age.
    unsafe { libc::clock_gettime(CLOCK, &mut time) };
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// Elsewhere the clock on the wall serves: whoever sets it changes ages.
#[cfg(not(unix))]
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn it_goes_as_fast_as_any_other() {
        // Ours inside the other: whatever comes between, it is not the longer one.
        let (start, before) = (Instant::now(), now());
        std::thread::sleep(Duration::from_millis(60));
        let ours = Duration::from_nanos(now() - before);
        let real = start.elapsed();
        let ticks = Duration::from_millis(20);
        assert!(ours + ticks > Duration::from_millis(60), "{ours:?}");
        assert!(ours < real + ticks, "{ours:?} of {real:?}");
    }
}
