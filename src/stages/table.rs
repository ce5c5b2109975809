#![forbid(unsafe_code)]
//! Stages as a table: aligned text, Markdown, CSV.

use std::fmt::{self, Display, Write};
use std::ops::RangeInclusive;
use std::time::SystemTime;

use super::{Stage, Stages};
use crate::counts::Counts;
#[cfg(all(feature = "http", unix))]
use crate::overview::Part;
#[cfg(unix)]
use crate::overview::{AllocatorMemory, ProcessMemory};

/// Column heads, and whether a column holds figures.
pub(crate) const COLUMNS: [(&str, bool); 12] = [
    ("#", true),
    (NAME_HEAD, false),
    ("Time s", true),
    ("In use MiB", true),
    ("95 %", true),
    ("Resident", true),
    ("Peak", true),
    ("Objects", true),
    ("Records", true),
    ("Change in use", true),
    ("95 %", true),
    ("Change is", false),
];

const CSV_HEAD: &str = "number,name,unix_seconds,in_use_bytes,in_use_low_bytes,in_use_high_bytes,\
    in_use_objects,records,resident_bytes,peak_resident_bytes,peak_is_new,change_bytes,\
    change_low_bytes,change_high_bytes,beyond_noise,allocator_allocated_bytes,\
    allocator_active_bytes,allocator_metadata_bytes,allocator_resident_bytes,\
    allocator_mapped_bytes,allocator_retained_bytes,proportional_bytes,anonymous_bytes,file_bytes,\
    swap_bytes,cgroup_usage_bytes,cgroup_page_cache_bytes,cgroup_limit_bytes,own_bytes";

/// Of the column of names.
pub(crate) const NAME_HEAD: &str = "Stage";

/// What is not known.
const NOTHING: &str = "-";

impl Stages {
    /// The table, in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = line(COLUMNS.map(|(head, _)| head.to_owned()));
        text += &line(COLUMNS.map(|(_, is_figure)| if is_figure { "---:" } else { "---" }.into()));
        for row in self.rows() {
            text += &line(row.map(|cell| escaped(&cell)));
        }
        if let Some(note) = self.note() {
            text += &format!("\n{note}\n");
        }
        text
    }

    /// Everything as comma-separated values, with heads: bytes and seconds as plain
    /// numbers, intervals by both their ends. What is not known is left empty.
    pub fn to_csv(&self) -> String {
        let mut text = format!("{CSV_HEAD}\n");
        for stage in self.iter() {
            // Writing to a string does not fail.
            let memory = memory_bytes(stage).map(optional);
            let _ = writeln!(text, "{},{}", csv_fields(stage).join(","), memory.join(","));
        }
        text
    }

    /// The cells of the table.
    pub(crate) fn rows(&self) -> impl Iterator<Item = [String; COLUMNS.len()]> {
        let start = self.iter().next().map(|stage| stage.taken_at);
        self.iter().map(move |stage| {
            let change =
                |cell: fn(&Counts) -> String| stage.change.as_ref().map_or(NOTHING.into(), cell);
            [
                stage.number.to_string(),
                stage.name.clone(),
                format!("{:.1}", seconds_between(start, stage.taken_at)),
                format!("{:.2}", in_mib(stage.in_use.bytes)),
                interval(&stage.in_use),
                stage.resident_bytes.map_or(NOTHING.into(), mib),
                stage.peak_resident_bytes.map_or(NOTHING.into(), |bytes| {
                    let at_most = if stage.peak_is_new { "" } else { "≤ " };
                    format!("{at_most}{}", mib(bytes))
                }),
                stage.in_use.objects().to_string(),
                stage.records.to_string(),
                change(|change| format!("{:+.2}", in_mib(change.bytes))),
                change(interval),
                change(|change| {
                    let is_beyond = change.is_beyond_noise();
                    let side = if is_beyond { "beyond" } else { "within" };
                    format!("{side} the noise")
                }),
            ]
        })
    }

    /// Where the memory was: the names of its parts, and their MiB at each stage.
    #[cfg(all(feature = "http", unix))]
    pub(crate) fn parts(&self) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let parts: Vec<_> = self.iter().map(|stage| stage.memory.parts()).collect();
        // At some stage the kernel may not have told all of them.
        let most = parts.iter().max_by_key(|parts| parts.len());
        let names: Vec<_> = most.into_iter().flatten().map(|part| part.name).collect();
        let cell = |parts: &[Part], name: &str| {
            let part = parts.iter().find(|part| part.name == name);
            part.map_or(NOTHING.into(), |part| mib(part.bytes))
        };
        let row = |parts: &Vec<Part>| names.iter().map(|name| cell(parts, name)).collect();
        let rows = parts.iter().map(row).collect();
        (names, rows)
    }

    fn note(&self) -> Option<String> {
        (self.dropped > 0).then(|| format!("{} earlier stages are no longer kept.", self.dropped))
    }
}

impl Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = COLUMNS.map(|(head, _)| head.to_owned());
        let rows: Vec<_> = std::iter::once(heads).chain(self.rows()).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: [usize; COLUMNS.len()] =
            std::array::from_fn(|column| width(column).unwrap_or(0));
        for row in &rows {
            let mut text = String::new();
            for ((cell, width), (_, is_figure)) in row.iter().zip(widths).zip(COLUMNS) {
                if is_figure {
                    write!(text, "{cell:>width$}  ")?;
                } else {
                    write!(text, "{cell:<width$}  ")?;
                }
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        match self.note() {
            Some(note) => writeln!(f, "{note}"),
            None => Ok(()),
        }
    }
}

/// Between which limits an estimate lies, in MiB.
fn interval(counts: &Counts) -> String {
    let interval = counts.confidence_interval_bytes();
    format!(
        "{:.2} to {:.2}",
        in_mib(*interval.start()),
        in_mib(*interval.end())
    )
}

fn mib(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / f64::from(1 << 20))
}

fn in_mib(bytes: i64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn seconds_between(earlier: Option<SystemTime>, later: SystemTime) -> f64 {
    earlier
        .and_then(|earlier| later.duration_since(earlier).ok())
        .map_or(0.0, |duration| duration.as_secs_f64())
}

/// A line of Markdown's table.
fn line(cells: [String; COLUMNS.len()]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Nothing in it means anything to Markdown or HTML.
fn escaped(cell: &str) -> String {
    let mut text = String::new();
    for c in cell.chars() {
        match c {
            '<' => text += "&lt;",
            '&' => text += "&amp;",
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}

fn optional(number: Option<u64>) -> String {
    number.map_or(String::new(), |number| number.to_string())
}

fn csv_fields(stage: &Stage) -> [String; 15] {
    let ends = |interval: RangeInclusive<i64>| interval.into_inner();
    let (low, high) = ends(stage.in_use.confidence_interval_bytes());
    let change =
        |figure: fn(&Counts) -> String| stage.change.as_ref().map_or(String::new(), figure);
    [
        stage.number.to_string(),
        format!("\"{}\"", stage.name.replace('"', "\"\"")),
        format!(
            "{:.3}",
            seconds_between(Some(SystemTime::UNIX_EPOCH), stage.taken_at)
        ),
        stage.in_use.bytes.to_string(),
        low.to_string(),
        high.to_string(),
        stage.in_use.objects().to_string(),
        stage.records.to_string(),
        optional(stage.resident_bytes),
        optional(stage.peak_resident_bytes),
        stage.peak_is_new.to_string(),
        change(|change| change.bytes.to_string()),
        change(|change| change.confidence_interval_bytes().start().to_string()),
        change(|change| change.confidence_interval_bytes().end().to_string()),
        change(|change| change.is_beyond_noise().to_string()),
    ]
}

/// The rest of its fields.
#[cfg(unix)]
fn memory_bytes(stage: &Stage) -> [Option<u64>; 14] {
    let memory = &stage.memory;
    let allocator =
        |figure: fn(&AllocatorMemory) -> Option<u64>| figure(memory.allocator.as_ref()?);
    let process = |figure: fn(&ProcessMemory) -> u64| memory.process.as_ref().map(figure);
    let cgroup = memory.cgroup.as_ref();
    [
        allocator(|memory| memory.allocated_bytes),
        allocator(|memory| memory.active_bytes),
        allocator(|memory| memory.metadata_bytes),
        allocator(|memory| memory.resident_bytes),
        allocator(|memory| memory.mapped_bytes),
        allocator(|memory| memory.retained_bytes),
        process(|memory| memory.proportional_bytes),
        process(|memory| memory.anonymous_bytes),
        process(|memory| memory.file_bytes),
        process(|memory| memory.swap_bytes),
        cgroup.map(|cgroup| cgroup.usage_bytes),
        cgroup.and_then(|cgroup| cgroup.page_cache_bytes),
        cgroup.and_then(|cgroup| cgroup.limit_bytes),
        Some(memory.own_bytes),
    ]
}

#[cfg(not(unix))]
fn memory_bytes(_: &Stage) -> [Option<u64>; 14] {
    [None; 14]
}
