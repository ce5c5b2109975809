#![forbid(unsafe_code)]
//! What a fuzzer feeds: the environment, and names of files.

use super::environment::{find, parse};
use super::files::time_of;

/// Nothing panics, and nothing is taken for a dump of ours that could not be one.
pub fn environment(data: &[u8]) {
    let _ = parse(find(data).unwrap_or(data));
    if let Ok(name) = std::str::from_utf8(data)
        && time_of(name, "app").is_some()
    {
        assert!(name.starts_with("app.") && name.ends_with(".pb.gz"));
    }
}
