#![forbid(unsafe_code)]
//! A profile as `go tool pprof` reads it: protobuf, gzipped.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use flate2::{Compression, GzBuilder};
use prost::Message;
use rustc_hash::FxHashMap;

use super::profile::{Function, Label, LabelValue, Location, Mapping, Profile, Sample, Values};
use super::proto;

/// The name of a figure and its unit.
pub(crate) type ValueType = (&'static str, &'static str);

/// What is said of a profile as a whole.
#[derive(Debug)]
pub(crate) struct Header {
    /// One for each number of a sample.
    pub(crate) sample_types: &'static [ValueType],
    /// What is shown first. Without it, `pprof` takes the last.
    pub(crate) default_sample_type: Option<&'static str>,
    /// What there is a sample of every `period` units.
    pub(crate) period_type: ValueType,
    pub(crate) period: i64,
    /// When it was complete; of a profile over a time, when that began.
    pub(crate) taken_at: SystemTime,
    pub(crate) duration: Option<Duration>,
    /// Functions that `pprof` is to leave out when it looks up names itself.
    pub(crate) drop_frames: Option<&'static str>,
    pub(crate) comments: Vec<String>,
}

/// Writes a profile, compressed. The caller is busy.
pub(crate) fn write(
    header: &Header,
    profile: &Profile<impl Values>,
    writer: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    compress(&encode(header, profile), writer)
}

pub(super) fn compress(
    message: &proto::Profile,
    writer: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    // No time in the header: the same profile gives the same bytes.
    let mut gzip = GzBuilder::new().mtime(0).write(writer, Compression::fast());
    gzip.write_all(&message.encode_to_vec())?;
    gzip.finish()?.flush()
}

/// The same in memory.
pub(crate) fn to_bytes(header: &Header, profile: &Profile<impl Values>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = write(header, profile, &mut bytes);
    bytes
}

pub(super) fn encode(header: &Header, profile: &Profile<impl Values>) -> proto::Profile {
    let mut strings = StringTable::default();
    proto::Profile {
        period_type: Some(strings.value_type(header.period_type)),
        period: header.period,
        sample_type: header
            .sample_types
            .iter()
            .map(|&value_type| strings.value_type(value_type))
            .collect(),
        default_sample_type: strings.index(header.default_sample_type.unwrap_or_default()),
        time_nanos: header
            .taken_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, nanos),
        duration_nanos: header.duration.map_or(0, nanos),
        drop_frames: strings.index(header.drop_frames.unwrap_or_default()),
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
            .map(|(id, m)| mapping(id, m, &mut strings))
            .collect(),
        comment: header
            .comments
            .iter()
            .map(|comment| strings.index(comment))
            .collect(),
        string_table: strings.list,
    }
}

fn sample(sample: &Sample<impl Values>, strings: &mut StringTable) -> proto::Sample {
    proto::Sample {
        location_id: sample.locations.iter().map(|id| number(id.0)).collect(),
        value: sample.values.numbers(),
        label: sample.labels.iter().map(|l| label(l, strings)).collect(),
    }
}

fn label(label: &Label, strings: &mut StringTable) -> proto::Label {
    let key = strings.index(&label.key);
    let (str, num, num_unit) = match &label.value {
        LabelValue::Text(text) => (strings.index(text), 0, 0),
        LabelValue::Number(number, unit) => (0, *number, strings.index(unit)),
    };
    proto::Label {
        key,
        str,
        num,
        num_unit,
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

fn mapping(id: u64, mapping: &Mapping, strings: &mut StringTable) -> proto::Mapping {
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
        has_functions: mapping.is_symbolized,
    }
}

/// Items with their ids, which begin at 1: 0 stands for none.
fn numbered<T>(items: &[T]) -> impl Iterator<Item = (u64, &T)> {
    (1..).zip(items)
}

/// The id of the item there.
pub(super) fn number(index: usize) -> u64 {
    index as u64 + 1
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
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

    fn value_type(&mut self, (kind, unit): ValueType) -> proto::ValueType {
        proto::ValueType {
            kind: self.index(kind),
            unit: self.index(unit),
        }
    }
}

#[cfg(test)]
mod decoder;
#[cfg(test)]
mod tests;
