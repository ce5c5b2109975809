#![forbid(unsafe_code)]
//! A profile as `go tool pprof` reads it: protobuf, gzipped, with the
//! conventions of Go's own heap profiles.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use flate2::{Compression, GzBuilder};
use prost::Message;
use rustc_hash::FxHashMap;

use super::profile::{Function, Location, Mapping, Profile, Sample};
use super::{PprofOptions, Symbols, View, comments, proto};
use crate::error::Error;
use crate::record::thread;
use crate::snapshot::Snapshot;

/// What `pprof` is to leave out, with everything called from it, when it looks
/// up names itself. Nothing here ever calls the program back: `pprof` cuts at
/// the outermost match, so that a wider pattern would cut away user code.
const DROP_FRAMES: &str = "(__rustc::)?__(rust|rg|rdl)_(alloc|alloc_zeroed|realloc)\
    |alloc::alloc::(alloc|alloc_zeroed|realloc|exchange_malloc)";

impl Snapshot {
    /// Writes a profile for `go tool pprof`: gzipped protobuf, with objects and
    /// bytes allocated and in use.
    ///
    /// The same snapshot and options always give the same bytes, as long as the
    /// program's files stay in place. What limits the profile (samples lost,
    /// stacks cut, modules without names) is said in its comments
    /// (`pprof -comments`).
    ///
    /// Costs what [`Symbols`] says, and memory in proportion to the number of
    /// records.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if `writer` fails.
    pub fn write_pprof(
        &self,
        writer: &mut (impl Write + ?Sized),
        options: PprofOptions,
    ) -> Result<(), Error> {
        let _busy = thread::busy();
        let profile = Profile::new(self, options.symbols);
        let message = encode(self, &profile, options);
        compress(&message.encode_to_vec(), writer).map_err(Error::Write)
    }
}

fn compress(bytes: &[u8], writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
    // No time in the header: the same profile gives the same bytes.
    let mut gzip = GzBuilder::new().mtime(0).write(writer, Compression::fast());
    gzip.write_all(bytes)?;
    gzip.finish()?.flush()
}

fn encode(snapshot: &Snapshot, profile: &Profile, options: PprofOptions) -> proto::Profile {
    let mut strings = StringTable::default();
    let value_type = |strings: &mut StringTable, kind, unit| proto::ValueType {
        kind: strings.index(kind),
        unit: strings.index(unit),
    };
    proto::Profile {
        period_type: Some(value_type(&mut strings, "space", "bytes")),
        period: to_i64(snapshot.stats.sample_interval),
        sample_type: [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ]
        .map(|(kind, unit)| value_type(&mut strings, kind, unit))
        .to_vec(),
        // Without one, pprof takes the last.
        default_sample_type: match options.view {
            View::InUse => 0,
            View::Allocs => strings.index("alloc_space"),
        },
        time_nanos: snapshot
            .taken_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, nanos),
        duration_nanos: snapshot.duration.map_or(0, nanos),
        drop_frames: match options.symbols {
            Symbols::Full | Symbols::Names => 0,
            Symbols::None => strings.index(DROP_FRAMES),
        },
        sample: profile
            .samples
            .iter()
            .map(|s| sample(s, &mut strings))
            .collect(),
        location: numbered(&profile.locations)
            .map(|(id, l)| location(id, l))
            .collect(),
        function: numbered(&profile.functions)
            .map(|(id, f)| function(id, f, &mut strings))
            .collect(),
        mapping: numbered(&profile.mappings)
            .map(|(id, m)| mapping(id, m, options.symbols, &mut strings))
            .collect(),
        comment: comments::comments(&snapshot.stats, profile)
            .iter()
            .map(|comment| strings.index(comment))
            .collect(),
        string_table: strings.list,
    }
}

fn sample(sample: &Sample, strings: &mut StringTable) -> proto::Sample {
    let (allocated, in_use) = (&sample.allocated, &sample.in_use);
    let label = sample.object_size.map(|size| proto::Label {
        key: strings.index("bytes"),
        num: to_i64(size),
    });
    proto::Sample {
        location_id: sample.locations.iter().map(|id| number(id.0)).collect(),
        value: vec![
            allocated.objects(),
            allocated.bytes,
            in_use.objects(),
            in_use.bytes,
        ],
        label: label.into_iter().collect(),
    }
}

fn location(id: u64, location: &Location) -> proto::Location {
    proto::Location {
        id,
        mapping_id: location.mapping.map_or(0, |mapping| number(mapping.0)),
        address: location.address,
        line: location
            .lines
            .iter()
            .map(|line| proto::Line {
                function_id: number(line.function.0),
                line: line.line.into(),
            })
            .collect(),
    }
}

fn function(id: u64, function: &Function, strings: &mut StringTable) -> proto::Function {
    proto::Function {
        id,
        name: strings.index(&function.name),
        system_name: strings.index(&function.system_name),
        filename: strings.index(&function.file),
        start_line: function.start_line.into(),
    }
}

fn mapping(
    id: u64,
    mapping: &Mapping,
    symbols: Symbols,
    strings: &mut StringTable,
) -> proto::Mapping {
    let build_id: String = mapping
        .module
        .build_id
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    proto::Mapping {
        id,
        memory_start: mapping.segment.start,
        memory_limit: mapping.segment.limit,
        file_offset: mapping.segment.file_offset,
        filename: strings.index(&mapping.module.path.to_string_lossy()),
        build_id: strings.index(&build_id),
        // Keeps pprof from looking again. `go tool pprof` reads no Rust debug
        // information, and would put shorter names in place of these.
        has_functions: symbols != Symbols::None && mapping.is_symbolized,
    }
}

/// Items with their ids, which begin at 1: 0 stands for none.
fn numbered<T>(items: &[T]) -> impl Iterator<Item = (u64, &T)> {
    (1..).zip(items)
}

fn number(index: usize) -> u64 {
    index as u64 + 1
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

struct StringTable {
    list: Vec<String>,
    indices: FxHashMap<String, i64>,
}

impl Default for StringTable {
    fn default() -> Self {
        Self {
            list: vec![String::new()],
            indices: FxHashMap::from_iter([(String::new(), 0)]),
        }
    }
}

impl StringTable {
    fn index(&mut self, text: &str) -> i64 {
        if let Some(&index) = self.indices.get(text) {
            return index;
        }
        let index = self.list.len() as i64;
        self.list.push(text.to_owned());
        self.indices.insert(text.to_owned(), index);
        index
    }
}

#[cfg(test)]
mod decoder;
#[cfg(test)]
mod tests;
