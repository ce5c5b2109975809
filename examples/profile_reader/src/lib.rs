//! A pprof profile, read as any other program would read it: what the examples that
//! look at their own profiles have in common.

use std::collections::HashMap;
use std::error::Error;
use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;

/// What a profile says of each stack.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What the values are, such as `inuse_space`.
    kinds: Vec<String>,
    /// Every stack, in the profile's order.
    pub stacks: Vec<Stack>,
}

/// A stack and its values.
#[derive(Clone, Debug)]
pub struct Stack {
    /// See [`Profile::position`].
    pub values: Vec<i64>,
    /// The functions on it, the innermost first.
    pub functions: Vec<String>,
}

impl Profile {
    /// Of the bytes of a file.
    ///
    /// # Errors
    /// If they are no gzip-compressed profile.
    pub fn decode(gzipped: &[u8]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut encoded = Vec::new();
        GzDecoder::new(gzipped).read_to_end(&mut encoded)?;
        let profile = Encoded::decode(encoded.as_slice())?;
        let text = |index: i64| {
            let index = usize::try_from(index).ok();
            let text = index.and_then(|index| profile.strings.get(index));
            text.map_or("", String::as_str)
        };
        let names: HashMap<u64, &str> = profile
            .functions
            .iter()
            .map(|function| (function.id, text(function.name)))
            .collect();
        let lines: HashMap<u64, &[Line]> = profile
            .locations
            .iter()
            .map(|location| (location.id, location.lines.as_slice()))
            .collect();
        let functions = |sample: &Sample| {
            let lines = sample.location_ids.iter().filter_map(|id| lines.get(id));
            lines
                .copied()
                .flatten()
                .filter_map(|line| names.get(&line.function_id))
                .map(|&name| name.to_owned())
                .collect()
        };
        Ok(Self {
            kinds: profile
                .sample_types
                .iter()
                .map(|kind| text(kind.kind).to_owned())
                .collect(),
            stacks: profile
                .samples
                .iter()
                .map(|sample| Stack {
                    values: sample.values.clone(),
                    functions: functions(sample),
                })
                .collect(),
        })
    }

    /// Where values of this kind are in every stack's.
    ///
    /// # Errors
    /// If the profile has none.
    pub fn position(&self, kind: &str) -> Result<usize, Box<dyn Error + Send + Sync>> {
        let found = self.kinds.iter().position(|known| known == kind);
        found.ok_or_else(|| format!("the profile has no {kind}").into())
    }
}

// The fields of pprof's profile.proto that are needed here.

#[derive(Message)]
struct Encoded {
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
