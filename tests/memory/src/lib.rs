//! What the tests of each allocator share.

use heapprof::Memory;

/// Blocks of memory that are written to, and hence resident.
pub fn blocks(count: usize, size: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| vec![i as u8 | 1; size]).collect()
}

/// Frees the second of every two: their pages stay, half empty.
pub fn drop_every_other(blocks: &mut Vec<Vec<u8>>) {
    let mut keep = false;
    blocks.retain(|_| {
        keep = !keep;
        keep
    });
}

/// How much a part of the memory has.
///
/// # Panics
/// If there is no such part.
#[track_caller]
pub fn part(memory: &Memory, name: &str) -> u64 {
    let parts = memory.parts();
    let part = parts.iter().find(|part| part.name == name);
    part.unwrap_or_else(|| panic!("no {name} in\n{memory}"))
        .bytes
}

/// `MiB` as bytes.
pub const MIB: u64 = 1 << 20;

/// Resident memory by another of the kernel's files than heapprof's.
pub fn resident_by_status() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = number
        .expect("it is in kB")
        .trim()
        .parse()
        .expect("it is a number");
    kib * 1024
}
