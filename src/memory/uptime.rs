#![forbid(unsafe_code)]
//! Since when this process runs.

use std::fs;
use std::time::Duration;

use super::process::clock_ticks_per_second;

/// How long ago the kernel started it, to some hundredths of a second; nothing
/// where it does not tell.
pub(crate) fn uptime() -> Option<Duration> {
    let stat = fs::read("/proc/self/stat").ok()?;
    let machine = fs::read_to_string("/proc/uptime").ok()?;
    let started = start_ticks(&stat)? as f64 / clock_ticks_per_second()? as f64;
    let now: f64 = machine.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(now - started).ok()
}

/// Field 22. The second is the program's name in parentheses, and may have any of
/// them, and spaces, inside.
pub(super) fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let after = std::str::from_utf8(&stat[end + 1..]).ok()?;
    after.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_look_like_fields() {
        let stat = b"7 (a) 1 b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 1\n";
        assert_eq!(start_ticks(stat), Some(12345));
        assert_eq!(start_ticks(b"7 (a) S 1 7\n"), None);
        assert_eq!(start_ticks(b"7 a S"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_test_has_not_run_for_days() {
        let first = uptime().unwrap();
        assert!(first < Duration::from_secs(86400), "{first:?}");
        assert!(uptime().unwrap() >= first);
    }
}
