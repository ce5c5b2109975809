#![forbid(unsafe_code)]
//! Stacks as a flame graph, and as what such are drawn from.

use maud::{Markup, html};

use super::figure::{Asked, Unit};
use super::layout::{Page, navigation, program};
use crate::export::{Folded, Profile, Symbols};
use crate::http::answer::{self, Answer};
use crate::http::query::Query;
use crate::snapshot::Snapshot;

/// The page, which asks for the stacks when it is open.
pub(super) fn page(asked: Asked, _snapshot: &Snapshot, _query: &Query<'_>) -> Answer {
    let title = format!("{} in {}: flame graph", asked.title(), program());
    let page = Page {
        title: &title,
        assets: "",
        scripts: &["viewer.js", "flamegraph.js"],
        content: content(asked),
    };
    answer::page(page.render())
}

/// Names, which of them are the program's own, and stacks of their positions with a
/// figure each.
pub(super) fn stacks(asked: Asked, snapshot: &Snapshot, _query: &Query<'_>) -> Answer {
    let folded = fold(asked, snapshot);
    let names: Vec<&str> = folded.names().collect();
    answer::json(&serde_json::json!({
        "names": names,
        "own": folded.are_own(),
        "stacks": folded.stacks(),
    }))
}

/// Text, a line for each stack.
pub(super) fn folded(asked: Asked, snapshot: &Snapshot, _query: &Query<'_>) -> Answer {
    answer::text(fold(asked, snapshot).to_string())
}

fn fold(asked: Asked, snapshot: &Snapshot) -> Folded {
    let profile = Profile::of_heap(snapshot, asked.figure.view, Symbols::Full);
    Folded::of(&profile, |memory| asked.figure.of(memory))
}

fn content(asked: Asked) -> Markup {
    let unit = match asked.figure.unit {
        Unit::Bytes => "bytes",
        Unit::Objects => "objects",
    };
    html! {
        (navigation(asked, "flamegraph"))
        main.wide {
            form.tools role="search" {
                label for="search" { "Search" }
                input #search type="search" autocomplete="off" spellcheck="false" disabled;
                output #found for="search" {}
                button #reset type="button" disabled { "Reset zoom" }
            }
            p #details { "Loading…" }
            div #graph data-stacks=(asked.link("stacks")) data-unit=(unit) {}
            p.about {
                "Root above, callees below; width is " (unit) ". Choose a frame to zoom. Keys: arrows \
                 move, Enter zooms, Escape shows everything, / searches."
            }
            noscript {
                p.problem {
                    "The graph needs JavaScript. Without: "
                    a href=(asked.link("top")) { "the biggest sites" } ", "
                    a href=(asked.link("folded")) { "folded stacks" } "."
                }
            }
        }
    }
}
