//! Who holds what, read from the profile as any other program would read it.

use std::collections::BTreeMap;

use profile_reader::{Profile, Stack};

use crate::{DEFAULT_INTERVAL, Result};

/// What one function holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Owner {
    /// Bytes in use.
    pub(crate) bytes: f64,
    /// Of the estimate of those bytes at the default interval; means something
    /// only where the bytes are exact.
    pub(crate) variance: f64,
}

impl Owner {
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.variance += other.variance;
    }
}

/// The owners in a gzip-compressed profile: for each sample the innermost
/// function of mini-redis on its stack.
pub(crate) fn of_profile(gzipped: &[u8]) -> Result<BTreeMap<String, Owner>> {
    let profile = Profile::decode(gzipped)?;
    let objects_at = profile.position("inuse_objects")?;
    let bytes_at = profile.position("inuse_space")?;
    let mut owners = BTreeMap::<String, Owner>::new();
    for Stack { values, functions } in profile.stacks {
        let name = functions
            .into_iter()
            .find(|name| name.trim_start_matches('<').starts_with("mini_redis::"))
            .unwrap_or_else(|| "(not mini-redis)".into());
        let (objects, bytes) = (values[objects_at] as f64, values[bytes_at] as f64);
        owners.entry(name).or_default().add(&Owner {
            bytes,
            variance: variance(objects, bytes),
        });
    }
    Ok(owners)
}

/// Variance of the estimated bytes of `objects` blocks, when a block of s bytes
/// is sampled with probability p = 1 - exp(-s/R) and then counts s/p bytes.
fn variance(objects: f64, bytes: f64) -> f64 {
    if objects == 0.0 {
        return 0.0;
    }
    let size = bytes / objects;
    let p = -(-size / DEFAULT_INTERVAL as f64).exp_m1();
    objects * size * size * (1.0 - p) / p
}
