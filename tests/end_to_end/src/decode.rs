//! A profile decoded by someone else's generated code.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;

use flate2::read::GzDecoder;
use pprof::protos::{self, Message};

use crate::blocks::Values;

/// A decoded profile. Whatever is malformed fails the test at once.
#[derive(Debug)]
pub struct Profile {
    proto: protos::Profile,
}

/// A loaded file as the profile describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The executable segment's first address.
    pub start: u64,
    /// The address behind its last.
    pub limit: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// The file's path.
    pub file: String,
    /// The linker's build id in hexadecimal.
    pub build_id: String,
    /// Whether readers may skip looking names up themselves.
    pub has_functions: bool,
}

/// A function as it appears in a stack, inlined ones too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Demangled.
    pub name: String,
    /// Mangled, or empty.
    pub system_name: String,
    /// Source file.
    pub file: String,
    /// Line of the call or allocation.
    pub line: i64,
    /// Line at which the function begins.
    pub start_line: i64,
}

/// A sample of any profile.
#[derive(Clone, Debug)]
pub struct Sample {
    /// One for each sample type.
    pub values: Vec<i64>,
    /// Names and texts of its labels.
    pub labels: Vec<(String, String)>,
    /// Names, numbers and units of those that are numbers.
    pub numbers: Vec<(String, i64, String)>,
    /// Innermost frame first.
    pub stack: Vec<Frame>,
}

impl Profile {
    /// Decodes gzip-compressed bytes.
    pub fn decode(gzip: &[u8]) -> Self {
        let mut bytes = Vec::new();
        GzDecoder::new(gzip)
            .read_to_end(&mut bytes)
            .expect("the profile is gzip");
        let proto = protos::Profile::parse_from_bytes(&bytes).expect("the profile is protobuf");
        Self { proto }
    }

    /// The sample types as (type, unit), in order.
    pub fn sample_types(&self) -> Vec<(&str, &str)> {
        self.proto
            .sample_type
            .iter()
            .map(|value| self.type_and_unit(value))
            .collect()
    }

    /// The type in view, empty if the reader is to choose.
    pub fn default_sample_type(&self) -> &str {
        self.text(self.proto.default_sample_type)
    }

    /// The period as (type, unit, value).
    pub fn period(&self) -> (&str, &str, i64) {
        let (kind, unit) = self.type_and_unit(&self.proto.period_type);
        (kind, unit, self.proto.period)
    }

    /// Nanoseconds since 1970, and nanoseconds covered (0 unless a difference).
    pub fn time_and_duration(&self) -> (i64, i64) {
        (self.proto.time_nanos, self.proto.duration_nanos)
    }

    /// What the profile says about itself.
    pub fn comments(&self) -> Vec<&str> {
        self.proto
            .comment
            .iter()
            .map(|&index| self.text(index))
            .collect()
    }

    /// Every mapping, in order.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mapping = |m: &protos::Mapping| Mapping {
            start: m.memory_start,
            limit: m.memory_limit,
            offset: m.file_offset,
            file: self.text(m.filename).to_owned(),
            build_id: self.text(m.build_id).to_owned(),
            has_functions: m.has_functions,
        };
        self.proto.mapping.iter().map(mapping).collect()
    }

    /// Addresses that lie outside the mapping they claim to be in, or in none.
    /// Frames such as `[no stack]` have no address, and are in no mapping.
    pub fn misplaced_addresses(&self) -> Vec<u64> {
        let ranges: HashMap<u64, _> = self
            .proto
            .mapping
            .iter()
            .map(|m| (m.id, m.memory_start..m.memory_limit))
            .collect();
        let misplaced = |location: &&protos::Location| match location.mapping_id {
            0 => location.address != 0,
            id => !ranges
                .get(&id)
                .is_some_and(|range| range.contains(&location.address)),
        };
        self.proto
            .location
            .iter()
            .filter(misplaced)
            .map(|location| location.address)
            .collect()
    }

    /// The values of all stacks in which a function of such a name appears.
    pub fn sum(&self, name: &str) -> Values {
        self.samples(name)
            .map(values)
            .fold(Values::default(), |a, b| a + b)
    }

    /// The values of all objects whose `bytes` label says so.
    pub fn sum_of_size(&self, bytes: i64) -> Values {
        self.of_size(bytes)
            .map(values)
            .fold(Values::default(), |a, b| a + b)
    }

    /// The stacks of those objects, each innermost frame first.
    pub fn stacks_of_size(&self, bytes: i64) -> Vec<Vec<Frame>> {
        self.of_size(bytes)
            .map(|sample| self.stack(sample))
            .collect()
    }

    /// How many addresses those stacks have: frames of inlined calls share one,
    /// those without a name have one all the same.
    pub fn depths_of_size(&self, bytes: i64) -> Vec<usize> {
        self.of_size(bytes)
            .map(|sample| sample.location_id.len())
            .collect()
    }

    fn of_size(&self, bytes: i64) -> impl Iterator<Item = &protos::Sample> {
        let is_it =
            move |label: &protos::Label| self.text(label.key) == "bytes" && label.num == bytes;
        let samples = self.proto.sample.iter();
        samples.filter(move |sample| sample.label.iter().any(is_it))
    }

    /// Every sample.
    pub fn all(&self) -> Vec<Sample> {
        let text = |index| self.text(index).to_owned();
        let samples = self.proto.sample.iter();
        samples
            .map(|sample| Sample {
                values: sample.value.clone(),
                labels: sample
                    .label
                    .iter()
                    .map(|l| (text(l.key), text(l.str)))
                    .collect(),
                numbers: sample
                    .label
                    .iter()
                    .filter(|l| l.str == 0)
                    .map(|l| (text(l.key), l.num, text(l.num_unit)))
                    .collect(),
                stack: self.stack(sample),
            })
            .collect()
    }

    /// The values of all stacks, innermost frame first, for which `matches` holds.
    pub fn sum_where(&self, matches: impl Fn(&[Frame]) -> bool) -> Values {
        let samples = self.proto.sample.iter();
        samples
            .filter(|sample| matches(&self.stack(sample)))
            .map(values)
            .fold(Values::default(), |a, b| a + b)
    }

    /// The values of everything.
    pub fn total(&self) -> Values {
        self.sum("")
    }

    /// The sizes in the `bytes` labels of those stacks, in ascending order.
    pub fn object_sizes(&self, name: &str) -> Vec<i64> {
        let labels = self.samples(name).flat_map(|sample| &sample.label);
        let sizes = labels
            .filter(|label| self.text(label.key) == "bytes")
            .map(|label| label.num);
        sizes.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// How many samples have such a function in their stack.
    pub fn sample_count(&self, name: &str) -> usize {
        self.samples(name).count()
    }

    /// The stacks with such a function in them, each innermost frame first.
    pub fn stacks(&self, name: &str) -> Vec<Vec<Frame>> {
        self.samples(name)
            .map(|sample| self.stack(sample))
            .collect()
    }

    fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a protos::Sample> {
        let matches = move |sample: &&protos::Sample| {
            self.stack(sample).iter().any(|f| f.name.contains(name))
        };
        self.proto
            .sample
            .iter()
            .filter(move |sample| name.is_empty() || matches(sample))
    }

    /// Every address with its frames, innermost first.
    pub fn locations(&self) -> Vec<(u64, Vec<Frame>)> {
        let locations = self.proto.location.iter();
        locations
            .map(|location| (location.address, self.frames(location)))
            .collect()
    }

    fn stack(&self, sample: &protos::Sample) -> Vec<Frame> {
        let location = |id: u64| {
            let found = self
                .proto
                .location
                .iter()
                .find(|location| location.id == id);
            found.unwrap_or_else(|| panic!("no location has the id {id}"))
        };
        sample
            .location_id
            .iter()
            .flat_map(|&id| self.frames(location(id)))
            .collect()
    }

    fn frames(&self, location: &protos::Location) -> Vec<Frame> {
        let frame = |line: &protos::Line| {
            let found = self
                .proto
                .function
                .iter()
                .find(|f| f.id == line.function_id);
            let function = found.unwrap_or_else(|| panic!("no function for {line:?}"));
            Frame {
                name: self.text(function.name).to_owned(),
                system_name: self.text(function.system_name).to_owned(),
                file: self.text(function.filename).to_owned(),
                line: line.line,
                start_line: function.start_line,
            }
        };
        location.line.iter().map(frame).collect()
    }

    fn type_and_unit(&self, value: &protos::ValueType) -> (&str, &str) {
        (self.text(value.ty), self.text(value.unit))
    }

    fn text(&self, index: i64) -> &str {
        let index = usize::try_from(index).expect("no index is negative");
        &self.proto.string_table[index]
    }
}

fn values(sample: &protos::Sample) -> Values {
    let [alloc_objects, alloc_bytes, in_use_objects, in_use_bytes] = sample.value[..] else {
        panic!("a sample has four values: {:?}", sample.value)
    };
    Values {
        alloc_objects,
        alloc_bytes,
        in_use_objects,
        in_use_bytes,
    }
}
