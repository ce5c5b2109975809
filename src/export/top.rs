#![forbid(unsafe_code)]
//! The places in the program that own most memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::PathBuf;

use super::owner::{Owner, owner};
use super::profile::{Profile, Sample};
use super::{Symbols, View};
use crate::snapshot::{Counts, Snapshot};

/// A line of the program with what was allocated from there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// The function's name, or its address if it has no name.
    pub function: String,
    /// Source file, as the compiler was given it.
    pub file: Option<PathBuf>,
    /// 1-based.
    pub line: Option<u32>,
    /// All allocations.
    pub allocated: Counts,
    /// What of it is in use.
    pub in_use: Counts,
}

impl Snapshot {
    /// The `limit` biggest sites by bytes, the biggest first.
    ///
    /// Memory belongs to the innermost frame outside the allocator and the
    /// standard library: the line of the program that pushes to the vector, not
    /// `Vec::push`. Without debug information it belongs to functions; without
    /// any names, to addresses.
    ///
    /// Costs what [`Symbols::Full`] says.
    pub fn top_sites(&self, limit: usize, view: View) -> Vec<Site> {
        let profile = Profile::new(self, Symbols::Full);
        let owners: Vec<Owner> = profile
            .functions
            .iter()
            .map(|f| owner(&f.name, &f.file))
            .collect();
        let mut sites: Vec<Site> = Vec::new();
        let mut positions = HashMap::new();
        for sample in &profile.samples {
            let mut site = site_of(&profile, &owners, sample);
            let key = (site.function.clone(), site.file.clone(), site.line);
            let position = *positions.entry(key).or_insert(sites.len());
            match sites.get_mut(position) {
                Some(known) => {
                    known.allocated = known.allocated.plus(&sample.allocated);
                    known.in_use = known.in_use.plus(&sample.in_use);
                }
                None => {
                    site.allocated = sample.allocated;
                    site.in_use = sample.in_use;
                    sites.push(site);
                }
            }
        }
        // Stable: equals stay in the profile's order, which is always the same.
        sites.sort_by_key(|site| Reverse(bytes(site, view)));
        sites.truncate(limit);
        sites
    }
}

fn bytes(site: &Site, view: View) -> i64 {
    match view {
        View::InUse => site.in_use.bytes,
        View::Allocs => site.allocated.bytes,
    }
}

/// The site of a sample, without its figures.
fn site_of(profile: &Profile, owners: &[Owner], sample: &Sample) -> Site {
    let lines = || {
        sample
            .locations
            .iter()
            .flat_map(|id| &profile.locations[id.0].lines)
    };
    let of_user = lines().find(|line| owners[line.function.0] == Owner::User);
    let (allocated, in_use) = (Counts::default(), Counts::default());
    match of_user.or_else(|| lines().next()) {
        Some(line) => {
            let function = &profile.functions[line.function.0];
            Site {
                function: function.name.to_string(),
                file: (!function.file.is_empty()).then(|| PathBuf::from(&*function.file)),
                line: (line.line > 0).then_some(line.line),
                allocated,
                in_use,
            }
        }
        None => {
            let address = sample
                .locations
                .first()
                .map_or(0, |id| profile.locations[id.0].address);
            Site {
                function: format!("{address:#x}"),
                file: None,
                line: None,
                allocated,
                in_use,
            }
        }
    }
}
