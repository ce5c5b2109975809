//! What the tests of each allocator share.

/// A block of memory that is written to, and hence resident.
pub fn blocks(count: usize, size: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| vec![i as u8 | 1; size]).collect()
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
