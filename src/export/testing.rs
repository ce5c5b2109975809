#![forbid(unsafe_code)]
//! Snapshots made up for tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::counts::{Counts, OBJECT_FRACTION};
use crate::module::{Module, Segment};
use crate::record::tally::Sums;
use crate::snapshot::{Record, ReturnAddress, Snapshot, StackEnd, Stats};

pub(crate) fn snapshot(records: Vec<Record>, modules: Vec<Arc<Module>>) -> Snapshot {
    Snapshot {
        records,
        modules,
        stats: Stats {
            sample_interval: 512 * 1024,
            ..Stats::default()
        },
        taken_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        duration: None,
    }
}

/// Objects allocated and in use at a stack of lookup addresses, innermost first.
pub(crate) fn record(
    id: usize,
    lookup_addresses: &[u64],
    object_size: u64,
    allocated: i64,
    in_use: i64,
) -> Record {
    let stack: Vec<_> = lookup_addresses
        .iter()
        .map(|address| ReturnAddress(address + 1))
        .collect();
    let counts = |objects: i64| {
        let objects = objects as u64;
        Counts::of(&Sums {
            samples: objects,
            sampled_bytes: objects * object_size,
            objects: objects * OBJECT_FRACTION as u64,
            bytes: objects * object_size,
            ..Sums::default()
        })
    };
    Record {
        id,
        stack: stack.leak(),
        stack_end: StackEnd::Root,
        object_size,
        module_generation: 0,
        labels: [0; 2],
        allocated: counts(allocated),
        in_use: counts(in_use),
        in_use_at_peak: counts(allocated),
    }
}

/// A module that has no file.
pub(crate) fn module(path: &str, start: u64, limit: u64) -> Arc<Module> {
    Arc::new(Module {
        path: PathBuf::from(path),
        is_main_program: false,
        bias: start,
        segments: vec![Segment {
            start,
            limit,
            file_offset: 0x1000,
        }],
        build_id: vec![0xab, 0x0c],
        since_generation: 0,
        until_generation: u32::MAX,
    })
}

/// The test program itself, as the loader mapped it.
#[cfg(all(feature = "symbolize", cfi))]
pub(crate) fn main_program() -> Arc<Module> {
    use object::read::elf::{ElfFile64, ProgramHeader};
    use object::{LittleEndian, Object};

    let path = std::env::current_exe().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let elf = ElfFile64::<LittleEndian>::parse(&*bytes).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps
        .lines()
        .find(|line| line.contains(" r-xp ") && line.ends_with(path.to_str().unwrap()))
        .unwrap();
    let mut fields = line.split([' ', '-']);
    let mut hex = |skip| u64::from_str_radix(fields.nth(skip).unwrap(), 16).unwrap();
    let (start, limit, file_offset) = (hex(0), hex(0), hex(2));
    let text = elf
        .elf_program_headers()
        .iter()
        .find(|header| header.p_offset(LittleEndian) & !0xfff == file_offset)
        .unwrap();
    Arc::new(Module {
        bias: start - (text.p_vaddr(LittleEndian) & !0xfff),
        is_main_program: true,
        segments: vec![Segment {
            start,
            limit,
            file_offset,
        }],
        build_id: elf.build_id().unwrap().unwrap_or_default().to_vec(),
        since_generation: 0,
        until_generation: u32::MAX,
        path,
    })
}
