//! Who holds what, read from the profile as any other program would read it.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;

use crate::{DEFAULT_INTERVAL, Result};

/// What one function holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Owner {
    /// Bytes in use.
    pub(crate) bytes: f64,
    /// Of the estimate of those bytes at the default interval; means something
    /// only where the bytes are exact.
    pub(crate) variance: f64,
}

impl Owner {
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.variance += other.variance;
    }
}

/// The owners in a gzip-compressed profile: for each sample the innermost
/// function of mini-redis on its stack.
pub(crate) fn of_profile(gzipped: &[u8]) -> Result<BTreeMap<String, Owner>> {
    let mut encoded = Vec::new();
    GzDecoder::new(gzipped).read_to_end(&mut encoded)?;
    let profile = Profile::decode(encoded.as_slice())?;

    let text = |index: i64| {
        profile
            .string_table
            .get(index as usize)
            .map_or("", String::as_str)
    };
    let value = |name: &str| {
        let found = profile
            .sample_types
            .iter()
            .position(|kind| text(kind.kind) == name);
        found.ok_or_else(|| format!("the profile has no {name}"))
    };
    let (objects_at, bytes_at) = (value("inuse_objects")?, value("inuse_space")?);
    let functions: HashMap<u64, &str> = profile
        .functions
        .iter()
        .map(|f| (f.id, text(f.name)))
        .collect();
    let locations: HashMap<u64, &[Line]> = profile
        .locations
        .iter()
        .map(|l| (l.id, l.lines.as_slice()))
        .collect();

    let mut owners = BTreeMap::<String, Owner>::new();
    for sample in &profile.samples {
        let frames = sample
            .location_ids
            .iter()
            .filter_map(|id| locations.get(id))
            .copied()
            .flatten();
        let name = frames
            .filter_map(|line| functions.get(&line.function_id))
            .find(|name| name.trim_start_matches('<').starts_with("mini_redis::"))
            .unwrap_or(&"(not mini-redis)");
        let (objects, bytes) = (
            sample.values[objects_at] as f64,
            sample.values[bytes_at] as f64,
        );
        owners.entry((*name).to_owned()).or_default().add(&Owner {
            bytes,
            variance: variance(objects, bytes),
        });
    }
    Ok(owners)
}

/// Variance of the estimated bytes of `objects` blocks, when a block of s bytes
/// is sampled with probability p = 1 - exp(-s/R) and then counts s/p bytes.
fn variance(objects: f64, bytes: f64) -> f64 {
    if objects == 0.0 {
        return 0.0;
    }
    let size = bytes / objects;
    let p = -(-size / DEFAULT_INTERVAL as f64).exp_m1();
    objects * size * size * (1.0 - p) / p
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
    string_table: Vec<String>,
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
