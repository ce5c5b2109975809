#![forbid(unsafe_code)]
//! Frames found earlier, within a fixed amount of memory.
//!
//! The table has two halves. New entries, and old ones that are asked for
//! again, go to the young half; once that is full, the old half is dropped and
//! the young one becomes the old. So what recent profiles used stays, and what
//! none has used for a while goes.
//!
//! Nobody waits for the table: a dump that finds it taken by another does the
//! work itself. A child of `fork` may find it taken for ever.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::{Frame, Frames, Module, Strings, Symbols};
use crate::snapshot::stats::RESOLVED_FRAMES_BYTES;

/// Upper limit of the memory of both halves.
const LIMIT_BYTES: usize = 8 << 20;

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

/// Which file, and which of its symbols, addresses belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    /// The build id. A file without one is known by its path, as long as it
    /// stays loaded.
    identity: Vec<u8>,
    loaded_at_generation: u32,
    symbols: Symbols,
}

impl FileKey {
    pub(super) fn new(module: Option<&Module>, symbols: Symbols) -> Self {
        let (identity, loaded_at_generation) = match module {
            None => (Vec::new(), 0),
            Some(module) if !module.build_id.is_empty() => (module.build_id.clone(), 0),
            Some(module) => (
                module.path.as_os_str().as_encoded_bytes().to_vec(),
                module.since_generation,
            ),
        };
        Self {
            identity,
            loaded_at_generation,
            symbols,
        }
    }
}

/// Fills in the frames of the addresses that were looked up before.
pub(super) fn look_up(
    key: &FileKey,
    module: Option<&Module>,
    addresses: &[u64],
    frames: &mut [Option<Frames>],
) {
    let Some(mut guard) = try_table() else { return };
    let Some(table) = guard.as_mut() else { return };
    for (address, frames) in addresses.iter().zip(frames) {
        *frames = table.get(key, in_file(module, *address));
    }
}

/// Keeps what was found out, and of which addresses nothing is to be found.
pub(super) fn keep<'a>(
    key: &FileKey,
    module: Option<&Module>,
    found: impl Iterator<Item = (u64, &'a Frames)>,
) {
    let Some(mut guard) = try_table() else { return };
    let table = guard.get_or_insert_with(Table::default);
    for (address, frames) in found {
        table.insert(key, in_file(module, address), frames);
    }
    // Relaxed: a figure for the statistics.
    RESOLVED_FRAMES_BYTES.store(table.bytes() as u64, Ordering::Relaxed);
}

/// The file's own address, the same wherever the file is mapped.
fn in_file(module: Option<&Module>, address: u64) -> u64 {
    address.wrapping_sub(module.map_or(0, |module| module.bias))
}

fn try_table() -> Option<MutexGuard<'static, Option<Table>>> {
    match TABLE.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[derive(Debug, Default)]
struct Table {
    young: Half,
    old: Half,
}

impl Table {
    fn get(&mut self, key: &FileKey, address: u64) -> Option<Frames> {
        if let Some(frames) = self.young.get(key, address) {
            return Some(frames.clone());
        }
        let frames = self.old.get(key, address)?.clone();
        self.insert(key, address, &frames);
        Some(frames)
    }

    fn insert(&mut self, key: &FileKey, address: u64, frames: &Frames) {
        self.young.insert(key, address, frames);
        if self.young.bytes() > LIMIT_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn bytes(&self) -> usize {
        self.young.bytes() + self.old.bytes()
    }
}

#[derive(Debug, Default)]
struct Half {
    files: HashMap<FileKey, HashMap<u64, Frames>>,
    strings: Strings,
    entry_bytes: usize,
}

impl Half {
    fn get(&self, key: &FileKey, address: u64) -> Option<&Frames> {
        self.files.get(key)?.get(&address)
    }

    fn insert(&mut self, key: &FileKey, address: u64, frames: &Frames) {
        let shared: Frames = frames
            .iter()
            .map(|frame| Frame {
                name: self.strings.adopt(&frame.name),
                system_name: self.strings.adopt(&frame.system_name),
                file: self.strings.adopt(&frame.file),
                ..*frame
            })
            .collect();
        let entry_bytes = size_of_val::<[Frame]>(&shared)
            + 2 * size_of::<usize>()
            + 2 * size_of::<(u64, Frames)>();
        let file = match self.files.get_mut(key) {
            Some(file) => file,
            None => self.files.entry(key.clone()).or_default(),
        };
        if file.insert(address, shared).is_none() {
            self.entry_bytes += entry_bytes;
        }
    }

    fn bytes(&self) -> usize {
        self.entry_bytes + self.strings.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(name: &str) -> Frames {
        Frames::from([Frame {
            name: name.into(),
            system_name: "".into(),
            file: "/src/main.rs".into(),
            line: 1,
            start_line: 1,
            function_offset: Some(1),
        }])
    }

    #[test]
    fn keeps_what_is_used_and_stays_below_its_limit() {
        let key = FileKey::new(None, Symbols::Full);
        let mut table = Table::default();
        table.insert(&key, 7, &frames("used again and again"));
        let long_name = "n".repeat(1000);
        for address in 100..30_000 {
            table.insert(&key, address, &frames(&format!("{long_name}{address}")));
            if address % 1000 == 0 {
                assert_eq!(table.get(&key, 7), Some(frames("used again and again")));
            }
            assert!(table.bytes() <= LIMIT_BYTES + 2048, "{}", table.bytes());
        }
        assert_eq!(table.get(&key, 100), None);
    }

    #[test]
    fn names_only_and_full_frames_are_kept_apart() {
        let full = FileKey::new(None, Symbols::Full);
        let names = FileKey::new(None, Symbols::Names);
        let mut table = Table::default();
        table.insert(&full, 1, &frames("full"));
        assert_eq!(table.get(&names, 1), None);
    }

    #[test]
    fn a_busy_table_stops_nobody() {
        let held = try_table();
        let mut found = [None];
        look_up(&FileKey::new(None, Symbols::Full), None, &[1], &mut found);
        assert!(held.is_none() || found[0].is_none());
    }
}
