#![forbid(unsafe_code)]
//! Small texts of the kernel's: read without allocating, taken apart without trust.

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::FileExt;

/// The beginning of a file that the kernel writes anew whenever it is read from
/// its start: as much as `buffer` has room for.
#[cfg(unix)]
pub(super) fn read_again<'a>(file: &File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut len = 0;
    while len < buffer.len() {
        match file.read_at(&mut buffer[len..], len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&buffer[..len])
}

/// A number, with nothing but white space around it.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// The value of a line such as `total_inactive_file 4096`.
pub(super) fn value_of(text: &[u8], name: &str) -> Option<u64> {
    lines(text).find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?;
        value.starts_with(b" ").then(|| number(value)).flatten()
    })
}

/// The bytes of a line such as `Rss:    1652 kB`.
pub(super) fn kilobytes_of(text: &[u8], name: &str) -> Option<u64> {
    lines(text).find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        number(value.trim_ascii().strip_suffix(b" kB")?)?.checked_mul(1024)
    })
}

pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

/// What cannot be parsed, as an error of reading.
pub(super) fn unexpected(name: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{name} has an unexpected form"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_whole_name() {
        let text = b"file 1\ninactive_file 2\ntotal_inactive_file 3\nactive_file x\n";
        assert_eq!(value_of(text, "inactive_file"), Some(2));
        assert_eq!(value_of(text, "total_inactive_file"), Some(3));
        assert_eq!(value_of(text, "total_"), None);
        assert_eq!(value_of(text, "active_file"), None);
        let text = b"Pss_Anon:  1 kB\nPss:   2 kB\nRss: 3 MB\nSwap:18446744073709551615 kB";
        assert_eq!(kilobytes_of(text, "Pss"), Some(2048));
        assert_eq!(kilobytes_of(text, "Rss"), None);
        assert_eq!(kilobytes_of(text, "Swap"), None);
    }

    #[test]
    fn numbers_are_numbers() {
        assert_eq!(number(b" 4096\n"), Some(4096));
        for text in [&b""[..], b"max", b"-1", b"1 2", b"\xff", b"1e3"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
