#![forbid(unsafe_code)]
//! The heap as text: `debug=1`, with the conventions of Go's.
//!
//! Its figures are samples, which `pprof` scales up when it reads them: by the
//! interval, and by the mean size of a record's objects.

mod leaks;
mod unscaled;

use std::fmt::Write;

use super::heap::Memory;
use super::profile::{Location, Profile, Sample};
use super::tabs::append_aligned;
use super::{Symbols, View};
#[cfg(unix)]
use crate::memory::process::peak_resident_bytes;
use crate::record::thread;
use crate::snapshot::{Snapshot, Stats};
pub(crate) use leaks::leaks_text;
use unscaled::{Sampled, Unscaled};

impl Snapshot {
    /// As Go's servers answer `/debug/pprof/heap?debug=1`.
    ///
    /// Costs what [`Symbols::Full`] says.
    pub(crate) fn to_text(&self, view: View) -> String {
        let _busy = thread::busy();
        let profile = Profile::of_heap(self, view, Symbols::Full);
        let interval = self.stats.sample_interval;
        let mut text = String::new();
        // Writing to a string cannot fail, here and below.
        let _ = write_records(&mut text, &profile, interval);
        let _ = write_statistics(&mut text, &self.stats);
        text
    }
}

/// A sample with the figures that stand for it.
struct Record<'a> {
    sample: &'a Sample<Memory>,
    in_use: Sampled,
    allocated: Sampled,
}

fn write_records(text: &mut String, profile: &Profile<Memory>, interval: u64) -> std::fmt::Result {
    let (mut in_use, mut allocated) = (Unscaled::new(interval), Unscaled::new(interval));
    let mut records: Vec<Record> = profile
        .samples
        .iter()
        .map(|sample| Record {
            sample,
            in_use: in_use.of(&sample.values.in_use),
            allocated: allocated.of(&sample.values.allocated),
        })
        .collect();
    records.sort_by_key(|record| record.in_use.bytes);

    let in_use: Sampled = records.iter().map(|record| record.in_use).sum();
    let mut allocated: Sampled = records.iter().map(|record| record.allocated).sum();
    // Equal totals would tell pprof that there are two columns and not four.
    if allocated.bytes == in_use.bytes {
        allocated.bytes += 1;
    }
    // The rate was doubled once upon a time, and pprof halves it.
    let rate = interval.saturating_mul(2);
    write!(text, "heap profile: ")?;
    write_figures(text, in_use, allocated)?;
    writeln!(text, " heap/{rate}")?;
    for record in records {
        write_figures(text, record.in_use, record.allocated)?;
        let locations = record.sample.locations.iter();
        write_stack(text, profile, locations.map(|id| &profile.locations[id.0]))?;
    }
    Ok(())
}

fn write_figures(text: &mut String, in_use: Sampled, allocated: Sampled) -> std::fmt::Result {
    write!(
        text,
        "{}: {} [{}: {}] @",
        in_use.objects, in_use.bytes, allocated.objects, allocated.bytes
    )
}

/// The return addresses, then a line for each frame.
pub(crate) fn write_stack<'a, V>(
    text: &mut String,
    profile: &Profile<V>,
    locations: impl Iterator<Item = &'a Location> + Clone,
) -> std::fmt::Result {
    for location in locations.clone().filter(|location| location.address != 0) {
        // Readers take one off, to be inside the call.
        write!(text, " {:#x}", location.address + 1)?;
    }
    text.push('\n');
    let frames: Vec<Vec<String>> = locations
        .flat_map(|location| frames(profile, location))
        .collect();
    append_aligned(text, &frames);
    text.push('\n');
    Ok(())
}

/// The cells of a location's lines.
fn frames<V>(profile: &Profile<V>, location: &Location) -> Vec<Vec<String>> {
    let address = format!("{:#x}", location.address);
    if location.lines.is_empty() {
        return vec![vec!["#".to_owned(), address]];
    }
    let offset = location.function_offset;
    let frame = |line: &super::profile::Line| {
        let function = &profile.functions[line.function.0];
        let name = match offset {
            Some(offset) => format!("{}+{offset:#x}", function.name),
            None => function.name.to_string(),
        };
        let place = match &*function.file {
            "" => None,
            file => Some(format!("{file}:{}", line.line)),
        };
        let head = ["#".to_owned(), address.clone(), name];
        head.into_iter().chain(place).collect()
    };
    location.lines.iter().map(frame).collect()
}

/// Go's keys, those that mean something here; `docs/HTTP.md` says what.
fn write_statistics(text: &mut String, stats: &Stats) -> std::fmt::Result {
    let (allocated, in_use) = (&stats.allocated, &stats.in_use);
    let lost = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let total_bytes = allocated.bytes.saturating_add(lost(stats.lost_bytes));
    let total_objects = allocated.objects().saturating_add(lost(stats.lost_objects));
    let frees = allocated.objects() - in_use.objects();
    writeln!(text, "\n# runtime.MemStats")?;
    for (key, value) in [
        ("Alloc", in_use.bytes),
        ("TotalAlloc", total_bytes),
        ("Mallocs", total_objects),
        ("Frees", frees),
        ("HeapAlloc", in_use.bytes),
        ("HeapObjects", in_use.objects()),
        ("BuckHashSys", lost(stats.own_bytes)),
    ] {
        writeln!(text, "# {key} = {value}")?;
    }
    #[cfg(unix)]
    if let Some(bytes) = peak_resident_bytes() {
        writeln!(text, "# MaxRSS = {bytes}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
