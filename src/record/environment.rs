//! `HEAPPROF_SAMPLE_INTERVAL`, read inside the first allocation: without
//! allocating, and without `getenv`, which races with `setenv`.

/// The name of the variable.
const NAME: &str = "HEAPPROF_SAMPLE_INTERVAL";

/// What the environment says about the sample interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interval {
    Unset,
    /// There is no telling. Elsewhere than on Linux the standard library tells.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    Unreadable,
    Bytes(u64),
    /// Set to something that is no interval. Said once on stderr.
    Invalid,
}

/// Reads the variable as it was when the program started.
#[cfg(target_os = "linux")]
pub(crate) fn sample_interval() -> Interval {
    if is_secure() {
        return Interval::Unset;
    }
    // SAFETY: a constant path.
    let file = unsafe {
        libc::open(
            c"/proc/self/environ".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    if file < 0 {
        return Interval::Unreadable;
    }
    let mut finder = Finder::new();
    let mut buffer = [0_u8; 512];
    loop {
        // SAFETY: reads into our own buffer, at most its length.
        let read = unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) };
        let Some(bytes) = usize::try_from(read).ok().and_then(|len| buffer.get(..len)) else {
            break;
        };
        if bytes.is_empty() {
            finder.byte(0);
            break;
        }
        bytes.iter().for_each(|&byte| finder.byte(byte));
    }
    // SAFETY: opened above and used by nobody else.
    unsafe { libc::close(file) };
    finder.found
}

/// Is the program run with other rights than its user's? Then the user has no say.
#[cfg(target_os = "linux")]
pub(crate) fn is_secure() -> bool {
    // SAFETY: asks for a number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Other systems: through the standard library, under the busy guard.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sample_interval() -> Interval {
    match std::env::var_os(NAME) {
        None => Interval::Unset,
        Some(value) => parse(value.as_encoded_bytes()),
    }
}

/// Says on stderr that the value is no interval, in one write and without
/// allocating.
#[cfg(unix)]
pub(crate) fn complain() {
    const MESSAGE: &str = "heapprof: HEAPPROF_SAMPLE_INTERVAL is not a number of bytes \
        (0 = off, 1 = every allocation, for example 524288); using the built-in interval\n";
    // SAFETY: writes from a constant. That nobody reads it is no fault of ours.
    unsafe { libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len()) };
}

/// Only the statistics tell.
#[cfg(not(unix))]
pub(crate) fn complain() {}

fn parse(value: &[u8]) -> Interval {
    match core::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
    {
        Some(bytes) if bytes <= isize::MAX as u64 => Interval::Bytes(bytes),
        _ => Interval::Invalid,
    }
}

/// Finds `NAME=value` in NUL-separated entries that come a byte at a time.
#[cfg(any(target_os = "linux", test))]
struct Finder {
    /// Bytes of `NAME=` that the entry matches so far; `None` once it differs.
    matched: Option<usize>,
    value: [u8; 20],
    value_len: usize,
    found: Interval,
}

#[cfg(any(target_os = "linux", test))]
impl Finder {
    const fn new() -> Self {
        Self {
            matched: Some(0),
            value: [0; 20],
            value_len: 0,
            found: Interval::Unset,
        }
    }

    fn byte(&mut self, byte: u8) {
        if byte == 0 {
            if self.matched == Some(NAME.len().wrapping_add(1)) && self.found == Interval::Unset {
                // A longer value than the buffer has no place for is no u64.
                self.found = self
                    .value
                    .get(..self.value_len)
                    .map_or(Interval::Invalid, parse);
            }
            self.matched = Some(0);
            self.value_len = 0;
            return;
        }
        let Some(matched) = self.matched else { return };
        match NAME.as_bytes().get(matched) {
            Some(&expected) => self.matched = (byte == expected).then_some(matched.wrapping_add(1)),
            None if matched == NAME.len() => {
                self.matched = (byte == b'=').then_some(matched.wrapping_add(1));
            }
            None => {
                if let Some(place) = self.value.get_mut(self.value_len) {
                    *place = byte;
                }
                self.value_len = self.value_len.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(environment: &[u8]) -> Interval {
        let mut finder = Finder::new();
        environment.iter().for_each(|&byte| finder.byte(byte));
        finder.byte(0);
        finder.found
    }

    #[test]
    fn finds_the_variable_among_others() {
        assert_eq!(
            find(b"A=1\0HEAPPROF_SAMPLE_INTERVAL=4096\0B=2\0"),
            Interval::Bytes(4096)
        );
        assert_eq!(find(b"HEAPPROF_SAMPLE_INTERVAL=0"), Interval::Bytes(0));
        assert_eq!(
            find(b"XHEAPPROF_SAMPLE_INTERVAL=1\0HEAPPROF_SAMPLE_INTERVALS=1\0"),
            Interval::Unset
        );
        assert_eq!(find(b"HEAPPROF_SAMPLE_INTERVAL\0=\0"), Interval::Unset);
        assert_eq!(find(b""), Interval::Unset);
    }

    #[test]
    fn what_is_no_interval_is_invalid() {
        for value in [
            "",
            "-1",
            "512k",
            "1e6",
            "18446744073709551616",
            "9223372036854775808",
            "\u{b9}",
        ] {
            let entry = format!("HEAPPROF_SAMPLE_INTERVAL={value}");
            assert_eq!(find(entry.as_bytes()), Interval::Invalid, "{value:?}");
        }
        assert_eq!(
            find(b"HEAPPROF_SAMPLE_INTERVAL=9223372036854775807"),
            Interval::Bytes(isize::MAX as u64)
        );
        assert_eq!(
            find(b"HEAPPROF_SAMPLE_INTERVAL=000000000000000000000001"),
            Interval::Invalid
        );
    }
}
