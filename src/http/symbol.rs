#![forbid(unsafe_code)]
//! Addresses to function names, for readers of profiles that have none. Names are
//! the linker's: `go tool pprof` demangles them itself, and of names that are already
//! demangled it would cut what is in brackets.

use std::fmt::Write;

use super::answer::{self, Answer};
use crate::export;
use crate::snapshot;

/// Answers a list of addresses with `+` between each two: a line for each that lies
/// in a known function.
pub(super) fn answer(addresses: &[u8]) -> Answer {
    let addresses: Vec<u64> = addresses
        .split(|&byte| byte == b'+')
        .filter_map(|word| parse(std::str::from_utf8(word).ok()?))
        .filter(|&address| address != 0)
        .collect();
    // Go says 1 as well: it matters only whether there are any.
    let count = u8::from(cfg!(feature = "symbolize"));
    let mut text = format!("num_symbols: {count}\n");
    let names = export::linker_names(&snapshot::modules(), &addresses);
    for (address, name) in addresses.iter().zip(names) {
        if let Some(name) = name {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{address:#x} {name}");
        }
    }
    answer::text(text)
}

/// A number as Go's source code has it: its base is told by its prefix.
fn parse(word: &str) -> Option<u64> {
    let digits = |base| u64::from_str_radix(word.get(2..)?, base).ok();
    match word.as_bytes() {
        [b'0', b'x' | b'X', ..] => digits(16),
        [b'0', b'b' | b'B', ..] => digits(2),
        [b'0', b'o' | b'O', ..] => digits(8),
        [b'0', _, ..] => u64::from_str_radix(word, 8).ok(),
        _ => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_told_by_the_prefix() {
        for (word, number) in [
            ("0x1F", Some(31)),
            ("0X1f", Some(31)),
            ("31", Some(31)),
            ("037", Some(31)),
            ("0o37", Some(31)),
            ("0b11111", Some(31)),
            ("0", Some(0)),
            ("0xffffffffffffffff", Some(u64::MAX)),
            ("0x10000000000000000", None),
            ("0x", None),
            ("1f", None),
            ("-1", None),
            ("", None),
            ("0é", None),
            ("0xé", None),
        ] {
            assert_eq!(parse(word), number, "{word}");
        }
    }

    #[test]
    fn addresses_of_no_function_get_no_line() {
        let answer = answer(b"0x1+0x2+x++0");
        let text = String::from_utf8(answer.into_body()).unwrap();
        assert!(text.starts_with("num_symbols: "));
        assert_eq!(text.lines().count(), 1);
    }
}
