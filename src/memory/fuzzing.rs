#![forbid(unsafe_code)]
//! What a fuzzer feeds: texts of the kernel's, as they might come.

use super::cgroup::{folders, parse_limit};
use super::limit::parse_total;
use super::process::{ProcessMemory, Statm, Status};
use super::text::value_of;
#[cfg(feature = "http")]
use super::uptime::start_ticks;

/// Whatever the bytes are, nothing panics.
pub fn kernel_texts(data: &[u8]) {
    let _ = Statm::parse(data, 4096);
    let _ = Status::parse(data);
    let _ = ProcessMemory::parse(data);
    #[cfg(feature = "http")]
    let _ = start_ticks(data);
    let _ = parse_limit(data);
    let _ = parse_total(data);
    let _ = value_of(data, "total_inactive_file");
    let half = data.len() / 2;
    let _ = folders(&data[..half], &data[half..]);
}
