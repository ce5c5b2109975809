#![forbid(unsafe_code)]
//! What a page is asked to show: which figure, and of what.

use crate::export::{Memory, View};
use crate::http::query::Query;
use crate::http::stages;

/// One of a profile's figures, by the name that `go tool pprof` has for it; at the
/// peak, which Go does not know, by one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) view: View,
    pub(super) unit: Unit,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Objects,
}

impl Figure {
    /// The one that is asked for most comes first.
    pub(super) const ALL: [Self; 6] = [
        Self::new(View::InUse, Unit::Bytes),
        Self::new(View::InUse, Unit::Objects),
        Self::new(View::Allocs, Unit::Bytes),
        Self::new(View::Allocs, Unit::Objects),
        Self::new(View::Peak, Unit::Bytes),
        Self::new(View::Peak, Unit::Objects),
    ];

    pub(super) const fn new(view: View, unit: Unit) -> Self {
        Self { view, unit }
    }

    pub(super) fn name(self) -> &'static str {
        match (self.view, self.unit) {
            (View::InUse, Unit::Bytes) => "inuse_space",
            (View::InUse, Unit::Objects) => "inuse_objects",
            (View::Allocs, Unit::Bytes) => "alloc_space",
            (View::Allocs, Unit::Objects) => "alloc_objects",
            (View::Peak, Unit::Bytes) => "peak_space",
            (View::Peak, Unit::Objects) => "peak_objects",
        }
    }

    /// For a link.
    pub(super) fn label(self) -> &'static str {
        match (self.view, self.unit) {
            (View::InUse, Unit::Bytes) => "in use, bytes",
            (View::InUse, Unit::Objects) => "in use, objects",
            (View::Allocs, Unit::Bytes) => "allocated, bytes",
            (View::Allocs, Unit::Objects) => "allocated, objects",
            (View::Peak, Unit::Bytes) => "at the peak, bytes",
            (View::Peak, Unit::Objects) => "at the peak, objects",
        }
    }

    pub(super) fn of(self, memory: &Memory) -> i64 {
        let counts = match self.view {
            // A profile of the peak has that in place of what is in use.
            View::InUse | View::Peak => &memory.in_use,
            View::Allocs => &memory.allocated,
        };
        match self.unit {
            Unit::Bytes => counts.bytes,
            Unit::Objects => counts.objects(),
        }
    }
}

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The program as it is now.
    Now,
    /// The two snapshots that were taken last.
    Growth,
    /// As the program was, or changed, when it marked a stage.
    Stage(stages::Asked),
}

/// The parameters of a page: `si`, as in `go tool pprof -http`, and `of`, or `stage`
/// and `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) figure: Figure,
    pub(super) subject: Subject,
}

impl Asked {
    /// What is missing is bytes in use, now. Nothing if a parameter is none of ours.
    pub(super) fn by(query: &Query<'_>) -> Option<Self> {
        let figure = match query.first("si") {
            None => Figure::ALL[0],
            Some(name) => Figure::ALL.into_iter().find(|f| f.name() == name)?,
        };
        let subject = match query.first("of").as_deref() {
            None => stages::Asked::by(query).map_or(Subject::Now, Subject::Stage),
            Some("growth") => Subject::Growth,
            Some(_) => return None,
        };
        Some(Self { figure, subject })
    }

    /// The same for another page.
    pub(super) fn link(self, page: &str) -> String {
        let of = match self.subject {
            Subject::Now => String::new(),
            Subject::Growth => "&of=growth".into(),
            Subject::Stage(stages::Asked { number, since }) => match since {
                None => format!("&stage={number}"),
                Some(since) => format!("&stage={number}&since={since}"),
            },
        };
        format!("{page}?si={}{of}", self.figure.name())
    }

    /// The same of another figure.
    pub(super) fn with(self, figure: Figure) -> Self {
        Self { figure, ..self }
    }

    /// For what is downloaded.
    pub(super) fn file_name(self, ending: &str) -> String {
        let of = match self.subject {
            Subject::Now => String::new(),
            Subject::Growth => "-growth".into(),
            Subject::Stage(asked) => format!("-{}", asked.name()),
        };
        format!("{}{of}.{ending}", self.figure.name())
    }

    /// In words, for headings.
    pub(super) fn title(self) -> String {
        let what = match self.figure.view {
            View::InUse => "In use",
            View::Allocs => "Allocated",
            View::Peak => "In use at the peak",
        };
        match (self.subject, self.figure.view) {
            (Subject::Now, View::InUse) => "In use now".into(),
            (Subject::Now, View::Allocs) => "Allocated since the start".into(),
            (Subject::Now, View::Peak) => what.into(),
            (Subject::Growth, View::InUse) => "Growth in use between two snapshots".into(),
            (Subject::Growth, View::Allocs) => "Allocated between two snapshots".into(),
            (Subject::Growth, View::Peak) => "Change of the peak between two snapshots".into(),
            (Subject::Stage(stages::Asked { number, since }), _) => match since {
                None => format!("{what}, stage {number}"),
                Some(since) => format!("{what}, change from stage {since} to {number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_what_they_say() {
        for figure in Figure::ALL {
            let stage = |since| Subject::Stage(stages::Asked { number: 3, since });
            for subject in [Subject::Now, Subject::Growth, stage(None), stage(Some(1))] {
                let asked = Asked { figure, subject };
                let link = asked.link("top");
                let query = link.strip_prefix("top?");
                assert_eq!(Asked::by(&Query::new(query)), Some(asked));
            }
        }
    }

    #[test]
    fn what_is_unknown_is_not_guessed() {
        let asked = |query| Asked::by(&Query::new(Some(query)));
        assert_eq!(asked("").map(|a| a.figure.name()), Some("inuse_space"));
        assert_eq!(asked("si=space"), None);
        assert_eq!(asked("of=shrinking"), None);
    }
}
