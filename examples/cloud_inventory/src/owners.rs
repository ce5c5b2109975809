//! Who owns the memory, read from a profile as any other program would read it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;

use crate::Result;

/// The bytes in use at a stack, and the functions on it, the innermost first.
pub(crate) struct Stack {
    pub(crate) bytes: i64,
    pub(crate) functions: Vec<String>,
}

impl Stack {
    pub(crate) fn passes(&self, prefix: &str) -> bool {
        self.functions.iter().any(|name| is_in(name, prefix))
    }
}

/// The stacks of a gzip-compressed profile.
pub(crate) fn stacks(gzipped: &[u8]) -> Result<Vec<Stack>> {
    let mut encoded = Vec::new();
    GzDecoder::new(gzipped).read_to_end(&mut encoded)?;
    let profile = Profile::decode(encoded.as_slice())?;
    let text = |index: i64| profile.strings[index as usize].as_str();
    let in_use = profile
        .sample_types
        .iter()
        .position(|kind| text(kind.kind) == "inuse_space")
        .ok_or("the profile has no inuse_space")?;
    let names: BTreeMap<u64, &str> = profile
        .functions
        .iter()
        .map(|f| (f.id, text(f.name)))
        .collect();
    let lines: BTreeMap<u64, &[Line]> = profile
        .locations
        .iter()
        .map(|l| (l.id, l.lines.as_slice()))
        .collect();
    let stacks = profile.samples.iter().map(|sample| Stack {
        bytes: sample.values[in_use],
        functions: sample
            .location_ids
            .iter()
            .flat_map(|id| lines[id])
            .map(|line| names[&line.function_id].to_owned())
            .collect(),
    });
    Ok(stacks.collect())
}

/// The bytes in use at all stacks that pass through such functions.
pub(crate) fn bytes_through(stacks: &[Stack], prefix: &str) -> i64 {
    stacks
        .iter()
        .filter(|stack| stack.passes(prefix))
        .map(|stack| stack.bytes)
        .sum()
}

/// The functions of such names on each stack, the outermost first, and the bytes in
/// use there; the most first.
pub(crate) fn chains(stacks: &[Stack], prefix: &str) -> Vec<(String, i64)> {
    let mut bytes = BTreeMap::new();
    for stack in stacks.iter().filter(|stack| stack.passes(prefix)) {
        let functions = stack.functions.iter().rev().map(String::as_str);
        let chain: Vec<&str> = functions.filter(|name| is_in(name, prefix)).collect();
        *bytes.entry(chain.join(" > ")).or_default() += stack.bytes;
    }
    // What was freed is in the profile with 0.
    let mut chains: Vec<(String, i64)> = bytes.into_iter().filter(|&(_, b)| b > 0).collect();
    chains.sort_by_key(|&(_, bytes)| Reverse(bytes));
    chains
}

/// `<cloud_inventory::model::Image as ...>::...` too.
fn is_in(name: &str, prefix: &str) -> bool {
    name.trim_start_matches('<').starts_with(prefix)
}

// The fields of pprof's profile.proto that are needed here.

#[derive(Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_types: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    locations: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    functions: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    strings: Vec<String>,
}

#[derive(Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
}

#[derive(Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_ids: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    values: Vec<i64>,
}

#[derive(Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    lines: Vec<Line>,
}

#[derive(Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}
