#![forbid(unsafe_code)]
//! What a browser shows beyond Go's pages, below `/debug/pprof/ui/`: flame graphs,
//! the biggest sites, and how two snapshots differ.

mod assets;
mod figure;
mod flamegraph;
mod index;
mod layout;
mod now;
#[cfg(unix)]
mod places;
mod recent;
mod snapshots;
pub(super) mod stages;
mod top;
mod units;

use http::StatusCode;

use super::answer::{self, Answer};
use super::named::cannot_collect;
use super::query::Query;
use crate::export::PprofOptions;
use crate::snapshot::Snapshot;
use figure::{Asked, Subject};

/// What is remembered from one request to the next.
#[derive(Debug, Default)]
pub(super) struct Ui {
    recent: recent::Recent,
    snapshots: snapshots::Snapshots,
}

const UNKNOWN_PARAMETER: &str = "si is one of inuse_space, inuse_objects, alloc_space, \
    alloc_objects, peak_space and peak_objects; of is missing, or growth";

const TWO_ARE_NEEDED: &str = "two snapshots are compared: take them on the page /debug/pprof/";

/// Where a snapshot is taken, which changes what is remembered.
pub(super) const TAKE: &str = "ui/snapshots";

impl Ui {
    /// The page, or the part of one, that has this name below `ui/`.
    pub(super) fn answer(&self, name: &str, query: &Query<'_>) -> Option<Answer> {
        let make = match name {
            "now" => return Some(self.now()),
            "snapshots" => return Some(self.take_snapshot()),
            "flamegraph" => flamegraph::page,
            "stacks" => flamegraph::stacks,
            "folded" => flamegraph::folded,
            "top" => top::page,
            "profile.pb.gz" => profile,
            _ => return assets::answer(name),
        };
        let Some(asked) = Asked::by(query) else {
            return Some(answer::error(StatusCode::BAD_REQUEST, UNKNOWN_PARAMETER));
        };
        Some(match self.subject(asked.subject) {
            Ok(snapshot) => make(asked, &snapshot, query),
            Err(problem) => *problem,
        })
    }

    fn subject(&self, subject: Subject) -> Result<Snapshot, Box<Answer>> {
        let two_are_needed = || Box::new(answer::error(StatusCode::NOT_FOUND, TWO_ARE_NEEDED));
        match subject {
            Subject::Now => Snapshot::take().map_err(|error| Box::new(cannot_collect(&error))),
            Subject::Growth => self.snapshots.growth().ok_or_else(two_are_needed),
            Subject::Stage(asked) => asked.snapshot(&crate::stages::stages()),
        }
    }

    fn take_snapshot(&self) -> Answer {
        match self.snapshots.take() {
            Ok(()) => answer::see_other("../#snapshots", "a snapshot was taken"),
            Err(error) => cannot_collect(&error),
        }
    }
}

fn profile(asked: Asked, snapshot: &Snapshot, _query: &Query<'_>) -> Answer {
    let options = PprofOptions::default().view(asked.figure.view);
    answer::profile(&asked.file_name("pb.gz"), snapshot.to_pprof(options))
}
