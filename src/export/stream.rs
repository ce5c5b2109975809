#![forbid(unsafe_code)]
//! A heap profile that is written while it is read from the tables: without
//! names, and in memory that was reserved beforehand.
//!
//! It says the same as an ordinary one with [`Symbols::None`], in the order of the
//! tables, and takes no memory in proportion to anything: what is the same in
//! every profile is encoded when the modules are told, and an address that finds
//! no place in the table of locations becomes another location.

mod locations;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message;

use super::View;
use super::comments::comments;
use super::heap::{DROP_FRAMES, LOST, Memory, PERIOD_TYPE, SAMPLE_TYPES, lost};
use super::pprof::{self, Header};
use super::profile::{self, Function, FunctionId, Line, Location, Profile};
use super::proto;
use super::stored::{Room, Stored};
use crate::error::Error;
use crate::module::Module;
use crate::snapshot::{Record, StackEnd, Stats, for_each_record};
use locations::Locations;

/// Lines in place of frames, each a location of its own: the first ones.
pub(super) const NOTES: [Option<&str>; 4] = [
    StackEnd::TooDeep.note(),
    StackEnd::Cut.note(),
    StackEnd::NotCaptured.note(),
    Some(LOST),
];

/// Fields of a profile, by number and type, as they precede a message inside it.
const SAMPLE: u8 = 2 << 3 | 2;
const LOCATION: u8 = 4 << 3 | 2;

/// Longer than any sample or location.
const MESSAGE_BYTES: usize = 4096;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Stream {
    modules: Vec<Arc<Module>>,
    /// What is the same in every profile, encoded.
    header: Vec<u8>,
    /// How many strings it has.
    strings: i64,
    /// The string `bytes`.
    label_key: i64,
    mappings: Vec<profile::Mapping>,
    writing: Writing,
    room: Room,
}

/// What is used again for every sample.
#[derive(Debug)]
struct Writing {
    locations: Locations,
    sample: proto::Sample,
    message: Vec<u8>,
}

impl Stream {
    /// Reserves what a profile takes.
    pub(crate) fn new(modules: Vec<Arc<Module>>) -> Self {
        let sample = proto::Sample {
            location_id: Vec::with_capacity(256),
            value: vec![0; SAMPLE_TYPES.len()],
            label: vec![proto::Label::default()],
        };
        let mut stream = Self {
            modules: Vec::new(),
            header: Vec::new(),
            strings: 0,
            label_key: 0,
            mappings: Vec::new(),
            writing: Writing {
                locations: Locations::new(NOTES.len() as u32),
                sample,
                message: Vec::with_capacity(MESSAGE_BYTES),
            },
            room: Room::new(),
        };
        stream.set_modules(modules);
        stream
    }

    /// Stacks are to be of these.
    pub(crate) fn update(&mut self, modules: Vec<Arc<Module>>) {
        let is_same = modules.len() == self.modules.len()
            && modules
                .iter()
                .zip(&self.modules)
                .all(|(a, b)| Arc::ptr_eq(a, b));
        if !is_same {
            self.set_modules(modules);
        }
    }

    fn set_modules(&mut self, modules: Vec<Arc<Module>>) {
        let profile = Profile::<Memory> {
            samples: Vec::new(),
            locations: NOTES
                .iter()
                .enumerate()
                .map(|(n, _)| note_location(n))
                .collect(),
            functions: NOTES
                .iter()
                .flatten()
                .map(|note| note_function(note))
                .collect(),
            mappings: profile::mappings(&modules),
            problems: Vec::new(),
        };
        let header = Header {
            sample_types: SAMPLE_TYPES,
            default_sample_type: None,
            period_type: PERIOD_TYPE,
            // Known when a profile is written.
            period: 0,
            taken_at: SystemTime::UNIX_EPOCH,
            duration: None,
            drop_frames: Some(DROP_FRAMES),
            comments: Vec::new(),
        };
        let mut message = pprof::encode(&header, &profile);
        self.label_key = message.string_table.len() as i64;
        message.string_table.push("bytes".to_owned());
        self.strings = message.string_table.len() as i64;
        self.header = message.encode_to_vec();
        self.mappings = profile.mappings;
        self.modules = modules;
    }

    /// Writes what is in use and what was allocated, as it is now. The caller is busy.
    pub(crate) fn write(&mut self, to: impl Write) -> Result<(), Error> {
        let Self {
            writing, mappings, ..
        } = self;
        let mut stored = Stored::new(to, &mut self.room);
        stored.write_all(&self.header).map_err(Error::Write)?;
        writing.locations.clear();
        let mut written = Ok(());
        let key = self.label_key;
        let stats = for_each_record(|record| {
            if written.is_ok() {
                written = writing.record(record, key, mappings, &mut stored);
            }
        })?;
        written.map_err(Error::Write)?;
        let end = writing.end(&stats, self.strings);
        stored.write_all(&end).map_err(Error::Write)?;
        stored.finish().map_err(Error::Write)
    }
}

impl Writing {
    /// Its new locations, and then the record itself.
    fn record(
        &mut self,
        record: &Record,
        key: i64,
        mappings: &[profile::Mapping],
        to: &mut impl Write,
    ) -> io::Result<()> {
        self.sample.location_id.clear();
        for address in record.stack {
            let (address, generation) = (address.lookup_address(), record.module_generation);
            let (id, is_new) = self.locations.id(address, generation);
            if is_new {
                let mapping = profile::mapping_at(mappings, address, generation);
                let location = proto::Location {
                    id: id.into(),
                    mapping_id: mapping.map_or(0, |mapping| pprof::number(mapping.0)),
                    address,
                    line: Vec::new(),
                };
                write_field(LOCATION, &location, &mut self.message, to)?;
            }
            self.sample.location_id.push(id.into());
        }
        self.sample
            .location_id
            .extend(record.stack_end.note().map(note_id));
        let memory = Memory {
            allocated: record.allocated,
            in_use: record.in_use,
        };
        self.sample.value.copy_from_slice(&memory.numbers());
        self.sample.label[0] = proto::Label {
            key,
            num: i64::try_from(record.object_size).unwrap_or(i64::MAX),
            ..proto::Label::default()
        };
        write_field(SAMPLE, &self.sample, &mut self.message, to)
    }

    /// What is known at the end: lost samples, the time, what the reader should know.
    fn end(&self, stats: &Stats, strings: i64) -> Vec<u8> {
        let lost = lost(stats).map(|stack| proto::Sample {
            location_id: vec![note_id(LOST)],
            value: stack.values.numbers().to_vec(),
            label: Vec::new(),
        });
        let now = SystemTime::now();
        let comments = comments(stats, View::InUse, (now, None), &[]);
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        proto::Profile {
            sample: lost.into_iter().collect(),
            time_nanos: now.map_or(0, |time: Duration| time.as_nanos() as i64),
            period: i64::try_from(stats.sample_interval).unwrap_or(i64::MAX),
            comment: (strings..).take(comments.len()).collect(),
            string_table: comments,
            ..proto::Profile::default()
        }
        .encode_to_vec()
    }
}

/// Writes a message that is part of the profile's, by way of `message`.
fn write_field(
    field: u8,
    part: &impl Message,
    message: &mut Vec<u8>,
    to: &mut impl Write,
) -> io::Result<()> {
    message.clear();
    message.push(field);
    // Fails only where there is no room, and vectors grow.
    let _ = part.encode_length_delimited(message);
    to.write_all(message)
}

fn note_id(note: &str) -> u64 {
    let position = NOTES.iter().position(|known| *known == Some(note));
    position.map_or(0, pprof::number)
}

fn note_location(n: usize) -> Location {
    Location {
        address: 0,
        function_offset: None,
        mapping: None,
        lines: vec![Line {
            function: FunctionId(n),
            line: 0,
        }],
    }
}

fn note_function(note: &str) -> Function {
    Function {
        name: note.into(),
        system_name: "".into(),
        file: "".into(),
        start_line: 0,
    }
}
