//! Profiles written with names and without, held against each other.

use super::*;
use crate::export::{PprofOptions, testing};

fn written(addresses: &[u64], symbols: Symbols) -> Vec<u8> {
    let record = testing::record(1, addresses, 64, 3, 2);
    let snapshot = testing::snapshot(vec![record], vec![testing::main_program()]);
    let mut bytes = Vec::new();
    let options = PprofOptions::default().symbols(symbols);
    snapshot.write_pprof(&mut bytes, options).unwrap();
    bytes
}

fn here() -> u64 {
    here as fn() -> u64 as usize as u64
}

/// What would have been written with names at once.
#[test]
fn names_come_later_as_they_would_have_come_at_once() {
    let addresses = [here() + 1];
    let program = std::env::current_exe().unwrap();
    let later = symbolize_pprof(&written(&addresses, Symbols::None), &[program]).unwrap();
    let [later, at_once] = [later, written(&addresses, Symbols::Full)].map(|bytes| {
        let message = Written::decode(&bytes).unwrap().0;
        let names = |index: i64| message.string_table[index as usize].clone();
        let functions: Vec<_> = message.function.iter().map(|f| names(f.name)).collect();
        let values: Vec<_> = message.sample.iter().map(|s| s.value.clone()).collect();
        (functions, values, message.time_nanos, message.period)
    });
    assert_eq!(later, at_once);
    assert!(
        later.0.iter().any(|name| name.ends_with("tests::here")),
        "{later:?}"
    );
}

#[test]
fn one_with_names_stays_as_it_is() {
    let named = written(&[here() + 1], Symbols::Full);
    assert_eq!(symbolize_pprof(&named, &[]).unwrap(), named);
}

#[test]
fn what_is_no_profile_is_told() {
    let whole = written(&[here() + 1], Symbols::None);
    for bytes in [&b""[..], b"no gzip", &whole[..whole.len() / 2]] {
        let error = symbolize_pprof(bytes, &[]).unwrap_err().to_string();
        assert!(error.contains("not gzipped, or not whole"), "{error}");
    }
    let mut other = Written::decode(&whole).unwrap().0;
    other.sample_type.pop();
    let mut bytes = Vec::new();
    pprof::compress(&other, &mut bytes).unwrap();
    let error = symbolize_pprof(&bytes, &[]).unwrap_err().to_string();
    assert!(error.contains("something else than a heap's"), "{error}");
}

/// Of two libraries that were in the same place one after the other.
#[test]
fn mappings_in_the_same_place_are_told_apart() {
    let mapping = |id, memory_start, memory_limit| proto::Mapping {
        id,
        memory_start,
        memory_limit,
        ..proto::Mapping::default()
    };
    let written = Written(proto::Profile {
        mapping: vec![mapping(1, 0, 10), mapping(2, 10, 20), mapping(3, 15, 30)],
        ..proto::Profile::default()
    });
    assert_eq!([0, 1, 2].map(|index| written.generation(index)), [0, 2, 3]);
    assert_eq!(bytes_of("0aff"), [10, 255]);
    assert!(bytes_of("0g").is_empty());
}
