#![forbid(unsafe_code)]
//! Names for a profile that was written without them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flate2::bufread::GzDecoder;
use prost::Message;
use rustc_hash::FxHashMap;

use super::Symbols;
use super::heap::{PERIOD_TYPE, SAMPLE_TYPES};
use super::pprof::{self, Header};
use super::profile::{Hide, Label, LabelValue, Profile, Stack};
use super::proto;
use super::stream::NOTES;
use super::symbolize::locate;
use crate::error::Error;
use crate::module::{Module, Segment};
use crate::record::thread;
use crate::snapshot::ReturnAddress;

/// Units that labels may have.
const UNITS: [&str; 4] = ["", "bytes", "seconds", "count"];

/// Adds functions, files, lines and inlined frames to a heap profile that was
/// written without them, by a dump on a [`Threshold`](crate::Threshold) or with
/// [`Symbols::None`]: `profile` is such a file's contents, and what is returned is
/// the same profile with names, gzipped. One that has names already is returned
/// as it is.
///
/// The programs and libraries are found by build id: first among `files`, then
/// where the profile says they were. What is not found stays without names, and a
/// comment in the profile says so. It need not be the program that wrote the
/// profile that calls this; costs what [`Symbols::Full`] does. Linux on x86-64 and aarch64, with the
/// crate's feature `symbolize`.
///
/// # Errors
///
/// [`Error::NotAProfile`] if it is no heap profile of heapprof's.
pub fn symbolize_pprof(profile: &[u8], files: &[PathBuf]) -> Result<Vec<u8>, Error> {
    let _busy = thread::busy();
    let written = Written::decode(profile)?;
    if written.has_names() {
        return Ok(profile.to_vec());
    }
    written.named(files)
}

/// Whatever a fuzzer makes of a profile, there is an answer.
#[cfg(fuzzing)]
pub fn profile_without_names(message: &[u8]) {
    if let Ok(written) = Written::of(message) {
        let _ = written.named(&[]);
    }
}

/// A profile as it was written. Whatever it says may be wrong.
struct Written(proto::Profile);

impl Written {
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut message = Vec::new();
        GzDecoder::new(bytes)
            .read_to_end(&mut message)
            .map_err(|_| Error::NotAProfile("it is not gzipped, or not whole"))?;
        Self::of(&message)
    }

    fn of(message: &[u8]) -> Result<Self, Error> {
        let message = proto::Profile::decode(message)
            .map_err(|_| Error::NotAProfile("it is not encoded as one"))?;
        let written = Self(message);
        let types = written.0.sample_type.iter();
        let types = types.map(|value| (written.text(value.kind), written.text(value.unit)));
        if types.eq(SAMPLE_TYPES.iter().copied()) {
            Ok(written)
        } else {
            Err(Error::NotAProfile("it counts something else than a heap's"))
        }
    }

    fn named(&self, files: &[PathBuf]) -> Result<Vec<u8>, Error> {
        let modules = self.modules(files);
        let frames = self.frames()?;
        let stacks = self.stacks(&frames)?;
        let named = Profile::new(stacks, &modules, Symbols::Full, Hide::Allocator);
        let mut comments = self.comments();
        comments.extend(
            named
                .problems
                .iter()
                .map(|p| format!("heapprof: no names from {p}")),
        );
        let mut message = pprof::encode(&self.header(comments), &named);
        // The main program comes first: readers take it by that.
        let main = self.0.mapping.first().map(|mapping| mapping.memory_start);
        message
            .mapping
            .sort_by_key(|mapping| Some(mapping.memory_start) != main);
        let mut bytes = Vec::new();
        pprof::compress(&message, &mut bytes).map_err(Error::Write)?;
        Ok(bytes)
    }

    fn text(&self, index: i64) -> &str {
        let text = usize::try_from(index)
            .ok()
            .and_then(|index| self.0.string_table.get(index));
        text.map_or("", String::as_str)
    }

    /// Has an address a name?
    fn has_names(&self) -> bool {
        self.0
            .location
            .iter()
            .any(|location| location.address != 0 && !location.line.is_empty())
    }

    fn modules(&self, files: &[PathBuf]) -> Vec<Arc<Module>> {
        let module = |(index, mapping): (usize, &proto::Mapping)| {
            let path = Path::new(self.text(mapping.filename));
            let build_id = bytes_of(self.text(mapping.build_id));
            let segment = Segment {
                start: mapping.memory_start,
                limit: mapping.memory_limit,
                file_offset: mapping.file_offset,
            };
            // Without a build id, a file is known by its path alone.
            let files = files.iter().filter(|_| !build_id.is_empty());
            let files = files.map(PathBuf::as_path).chain([path]);
            let found = locate(files, &build_id, &segment);
            // Where no file was found, no other may give names.
            let nowhere = (path.to_path_buf(), segment.start.wrapping_add(1 << 63));
            let (path, bias) = found.unwrap_or(nowhere);
            let generation = self.generation(index);
            Arc::new(Module {
                path,
                is_main_program: false,
                bias,
                segments: vec![segment],
                build_id,
                since_generation: generation,
                until_generation: match generation {
                    0 => u32::MAX,
                    own => own + 1,
                },
            })
        };
        self.0.mapping.iter().enumerate().map(module).collect()
    }

    /// Mappings that lie over each other were not there at the same time: each of
    /// them has a time of its own, all others the first.
    fn generation(&self, index: usize) -> u32 {
        let mappings = &self.0.mapping;
        let Some(own) = mappings.get(index) else {
            return 0;
        };
        let is_apart = |other: &proto::Mapping| {
            other.memory_limit <= own.memory_start || own.memory_limit <= other.memory_start
        };
        let mut others = (0..).zip(mappings).filter(|(other, _)| *other != index);
        if others.all(|(_, other)| is_apart(other)) {
            0
        } else {
            index as u32 + 1
        }
    }

    /// The frames of every sample, and the note at its root.
    fn frames(&self) -> Result<Vec<Frames>, Error> {
        let locations: FxHashMap<u64, &proto::Location> = self
            .0
            .location
            .iter()
            .map(|location| (location.id, location))
            .collect();
        let generations: Vec<u32> = (0..self.0.mapping.len())
            .map(|i| self.generation(i))
            .collect();
        let of_mapping = |id: u64| {
            let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
            index
                .and_then(|index| generations.get(index))
                .copied()
                .unwrap_or(0)
        };
        let frames_of = |sample: &proto::Sample| {
            let mut frames = Frames::default();
            for id in &sample.location_id {
                let location = locations
                    .get(id)
                    .ok_or(Error::NotAProfile("a location is missing"))?;
                if location.address == 0 {
                    frames.note = frames.note.or_else(|| self.note(location));
                } else {
                    // What is written lies inside the call.
                    frames
                        .addresses
                        .push(ReturnAddress(location.address.wrapping_add(1)));
                    frames.generation = frames.generation.max(of_mapping(location.mapping_id));
                }
            }
            Ok(frames)
        };
        self.0.sample.iter().map(frames_of).collect()
    }

    fn note(&self, location: &proto::Location) -> Option<&'static str> {
        let function = location.line.first()?.function_id;
        let function = self.0.function.iter().find(|known| known.id == function)?;
        let name = self.text(function.name);
        NOTES.into_iter().flatten().find(|known| *known == name)
    }

    fn stacks<'a>(&self, frames: &'a [Frames]) -> Result<Vec<Stack<'a, [i64; 4]>>, Error> {
        let stack = |(sample, frames): (&proto::Sample, &'a Frames)| {
            let values = <[i64; 4]>::try_from(&*sample.value);
            Ok(Stack {
                frames: &frames.addresses,
                module_generation: frames.generation,
                note: frames.note,
                labels: sample.label.iter().map(|label| self.label(label)).collect(),
                values: values.map_err(|_| Error::NotAProfile("a sample has too few figures"))?,
            })
        };
        self.0.sample.iter().zip(frames).map(stack).collect()
    }

    fn label(&self, label: &proto::Label) -> Label {
        let unit = self.text(label.num_unit);
        let unit = UNITS.into_iter().find(|known| *known == unit);
        Label {
            key: self.text(label.key).to_owned().into(),
            value: match label.str {
                0 => LabelValue::Number(label.num, unit.unwrap_or_default()),
                text => LabelValue::Text(self.text(text).to_owned().into()),
            },
        }
    }

    fn comments(&self) -> Vec<String> {
        let comments = self.0.comment.iter();
        comments
            .map(|&comment| self.text(comment).to_owned())
            .collect()
    }

    fn header(&self, comments: Vec<String>) -> Header {
        let nanos = |nanos: i64| Duration::from_nanos(nanos.max(0).unsigned_abs());
        let default = self.text(self.0.default_sample_type);
        let mut kinds = SAMPLE_TYPES.iter().map(|(kind, _)| *kind);
        Header {
            sample_types: SAMPLE_TYPES,
            default_sample_type: kinds.find(|kind| *kind == default),
            period_type: PERIOD_TYPE,
            period: self.0.period,
            taken_at: SystemTime::UNIX_EPOCH + nanos(self.0.time_nanos),
            duration: (self.0.duration_nanos > 0).then(|| nanos(self.0.duration_nanos)),
            drop_frames: None,
            comments,
        }
    }
}

/// A stack, as far as it was written.
#[derive(Default)]
struct Frames {
    addresses: Vec<ReturnAddress>,
    generation: u32,
    note: Option<&'static str>,
}

/// Of hexadecimal digits; nothing if they are none.
fn bytes_of(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests;
