#![forbid(unsafe_code)]
//! The page that lists what there is, and shows the program's memory while it is
//! open.

use std::time::Instant;

use maud::{Markup, html};

use super::figure::{Asked, Figure, Subject, Unit};
use super::layout::{Page, program};
use super::now::{Now, Shown};
use super::units::{bytes, duration};
use super::{TAKE, Ui};
use crate::export::View;
use crate::http::answer::{self, Answer};
use crate::http::entries::Entry;

impl Ui {
    /// The index.
    pub(in crate::http) fn index(&self, entries: &[Entry]) -> Answer {
        let now = self.look();
        let title = format!("{} /debug/pprof/", program());
        let page = Page {
            title: &title,
            assets: "ui/",
            scripts: &["index.js"],
            content: self.content(&now, entries),
        };
        answer::page(page.render())
    }

    /// The same figures again, and the last minutes.
    pub(super) fn now(&self) -> Answer {
        let now = self.look();
        let shown = now.memory().into_iter().chain(now.profiler());
        let figures: serde_json::Map<_, _> = shown
            .map(|shown| (shown.id.into(), [shown.value, shown.note].as_slice().into()))
            .collect();
        let recent = self.recent.ages(Instant::now());
        answer::json(&serde_json::json!({ "figures": figures, "recent": recent }))
    }

    fn look(&self) -> Now {
        let now = Now::look();
        self.recent.add(&now, Instant::now());
        now
    }

    fn content(&self, now: &Now, entries: &[Entry]) -> Markup {
        html! {
            header {
                h1 { (program()) }
                p.about { "/debug/pprof/ · process " (std::process::id()) }
            }
            main {
                section aria-labelledby="memory" {
                    h2 #memory { "Memory" }
                    @if let Some(problem) = now.problem() {
                        p.problem { (problem) }
                    }
                    (figures(&now.memory(), "figures large"))
                    (chart())
                }
                div.pair {
                    section aria-labelledby="views" {
                        h2 #views { "Views" }
                        (views(self.snapshots.all().len() == 2))
                    }
                    section aria-labelledby="snapshots" {
                        h2 #snapshots { "Snapshots" }
                        (self.snapshot_section())
                    }
                }
                (where_it_is(now))
                section aria-labelledby="profiles" {
                    h2 #profiles { "Profiles" }
                    (profiles(entries))
                }
                section aria-labelledby="profiler" {
                    h2 #profiler { "Profiler" }
                    (figures(&now.profiler(), "figures"))
                }
            }
        }
    }

    fn snapshot_section(&self) -> Markup {
        let kept = self.snapshots.all();
        html! {
            p {
                "The two that were taken last are kept, to see what came and stayed between them."
            }
            @if !kept.is_empty() {
                ol.snapshots {
                    @for kept in &kept {
                        li {
                            (duration(kept.at.elapsed())) " ago: "
                            b { (bytes(kept.snapshot.stats().in_use.bytes)) } " in use"
                        }
                    }
                }
            }
            form method="post" action=(TAKE) {
                button { "Take a snapshot" }
            }
        }
    }
}

/// What changes while the page is open has an id, by which the script finds it.
fn figures(shown: &[Shown], class: &str) -> Markup {
    html! {
        dl class=(class) {
            @for shown in shown {
                div {
                    dt { (shown.name) }
                    dd {
                        span.value id=(shown.id) { (shown.value) }
                        " "
                        small id={ (shown.id) "-note" } { (shown.note) }
                    }
                }
            }
        }
    }
}

/// Drawn by the script.
fn chart() -> Markup {
    html! {
        figure #chart hidden {
            figcaption {
                span.key.in-use { "In use" }
                span.key.resident { "Resident" }
                output #chart-at aria-live="off" {}
            }
            div #plot role="img" tabindex="0" aria-label="Memory over the last minutes" {}
        }
        noscript { p.about { "With JavaScript there is a chart here." } }
    }
}

#[cfg(unix)]
fn where_it_is(now: &Now) -> Markup {
    now.stats().map(super::places::section).unwrap_or_default()
}

#[cfg(not(unix))]
fn where_it_is(_: &Now) -> Markup {
    Markup::default()
}

fn views(has_growth: bool) -> Markup {
    let row = |name: &str, view, subject, raw: &str| {
        let asked = |unit| Asked {
            figure: Figure::new(view, unit),
            subject,
        };
        let link = |page: &str, unit| format!("ui/{}", asked(unit).link(page));
        html! {
            tr {
                th scope="row" { (name) }
                td {
                    a href=(link("flamegraph", Unit::Bytes)) { "bytes" } " "
                    a href=(link("flamegraph", Unit::Objects)) { "objects" }
                }
                td { a href=(link("top", Unit::Bytes)) { "table" } }
                td {
                    a href=(link("folded", Unit::Bytes)) { "bytes" } " "
                    a href=(link("folded", Unit::Objects)) { "objects" }
                }
                td { a href=(raw) { ".pb.gz" } }
            }
        }
    };
    let growth = "ui/profile.pb.gz?si=inuse_space&of=growth";
    html! {
        div.scrolls tabindex="0" role="region" aria-labelledby="views" {
            table.views {
                thead {
                    tr {
                        td {}
                        th scope="col" { "Flame graph" }
                        th scope="col" { "Top" }
                        th scope="col" { "Folded" }
                        th scope="col" { "pprof" }
                    }
                }
                tbody {
                    (row("In use now", View::InUse, Subject::Now, "heap"))
                    (row("Allocated since the start", View::Allocs, Subject::Now, "allocs"))
                    (row("In use at the peak", View::Peak, Subject::Now, "peak"))
                    @if has_growth {
                        (row("Growth between snapshots", View::InUse, Subject::Growth, growth))
                    }
                }
            }
        }
        p.about {
            "With Go's tool: " code #command { "go tool pprof -http=: http://HOST/debug/pprof/heap" }
        }
    }
}

fn profiles(entries: &[Entry]) -> Markup {
    html! {
        table.profiles {
            thead {
                tr {
                    th scope="col" { "Count" }
                    th scope="col" { "Profile" }
                    th scope="col" { "What it holds" }
                }
            }
            tbody {
                @for entry in entries {
                    tr {
                        td { (entry.count) }
                        td { a href={ (entry.name) "?debug=1" } { (entry.name) } }
                        td { (entry.description) }
                    }
                }
            }
        }
        p.about {
            code { "?debug=1" } " gives text to read; without it, profiles are for tools. "
            code { "?seconds=30" } " gives what changes in so many seconds. "
            a href="heap?labels=age" { "heap?labels=age" } " tells how long memory has been in use, "
            a href="allocs?labels=lifetime" { "allocs?labels=lifetime" } " how long it lived, "
            code { "?labels=thread" } " which thread allocated it if that is recorded. "
            @if entries.iter().any(|entry| entry.name == "goroutine") {
                a href="goroutine?debug=2" { "Every thread with its stack" } "."
            }
        }
    }
}
