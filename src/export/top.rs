#![forbid(unsafe_code)]
//! The places in the program that own most memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::PathBuf;

use super::heap::Memory;
use super::owner::{Owner, owner};
use super::profile::{Profile, Sample};
use super::{Symbols, View};
use crate::counts::Counts;
use crate::record::thread;
use crate::snapshot::Snapshot;

/// A line of the program with what was allocated from there.
#[derive(Clone, Debug, PartialEq)]
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
    /// What of it is in use; asked for the peak, what was in use then.
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
        let _busy = thread::busy();
        let profile = Profile::of_heap(self, view, Symbols::Full);
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
                    known.allocated = known.allocated.plus(&sample.values.allocated);
                    known.in_use = known.in_use.plus(&sample.values.in_use);
                }
                None => {
                    site.allocated = sample.values.allocated;
                    site.in_use = sample.values.in_use;
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
        View::InUse | View::Peak => site.in_use.bytes,
        View::Allocs => site.allocated.bytes,
    }
}

/// The site of a sample, without its figures.
fn site_of(profile: &Profile<Memory>, owners: &[Owner], sample: &Sample<Memory>) -> Site {
    let (allocated, in_use) = (Counts::default(), Counts::default());
    let mut first = None;
    for id in &sample.locations {
        let location = &profile.locations[id.0];
        // Code without names is taken for the program's.
        if location.lines.is_empty() {
            let function = format!("{:#x}", location.address);
            return Site {
                function,
                file: None,
                line: None,
                allocated,
                in_use,
            };
        }
        let lines = &location.lines;
        first = first.or(lines.first());
        if let Some(line) = lines.iter().find(|l| owners[l.function.0] == Owner::User) {
            first = Some(line);
            break;
        }
    }
    let function = first.map(|line| &profile.functions[line.function.0]);
    Site {
        function: function
            .map(|function| function.name.to_string())
            .unwrap_or_default(),
        file: function
            .filter(|f| !f.file.is_empty())
            .map(|f| PathBuf::from(&*f.file)),
        line: first.map(|line| line.line).filter(|&line| line > 0),
        allocated,
        in_use,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::{module, record, snapshot};

    #[test]
    fn sites_add_up_and_the_biggest_comes_first() {
        let snapshot = snapshot(
            vec![
                record(0, &[0x5100, 0x5200], 8, 100, 1),
                record(1, &[0x5300, 0x5200], 64, 1, 1),
                record(2, &[0x5300], 1024, 1, 1),
            ],
            vec![module("/usr/bin/app", 0x5000, 0x6000)],
        );
        let sites = |limit, view| {
            let sites = snapshot.top_sites(limit, view);
            sites
                .into_iter()
                .map(|s| (s.function, s.in_use.bytes))
                .collect::<Vec<_>>()
        };
        let site = |name: &str, bytes| (name.to_owned(), bytes);
        assert_eq!(
            sites(5, View::InUse),
            [site("0x5300", 1088), site("0x5100", 8)]
        );
        assert_eq!(sites(1, View::InUse), [site("0x5300", 1088)]);
        assert_eq!(sites(1, View::Allocs), [site("0x5300", 1088)]);
    }
}
