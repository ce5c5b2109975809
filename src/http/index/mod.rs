#![forbid(unsafe_code)]
//! The page that lists what there is.

use maud::{DOCTYPE, Markup, html};

use super::Pprof;
use super::answer::{self, Answer};
use super::named::Named;

/// The name of the style sheet's route.
pub(super) const STYLE: &str = "style.css";
pub(super) const STYLE_SHEET: &str = include_str!("style.css");

/// A line of the page.
struct Entry {
    name: &'static str,
    count: usize,
    description: &'static str,
}

/// The index.
pub(super) fn page(pprof: &Pprof) -> Answer {
    let entries = entries(pprof);
    answer::page(render(&entries).into_string())
}

/// By name.
fn entries(pprof: &Pprof) -> Vec<Entry> {
    let others = ["cmdline", "profile", "stages", "symbol"];
    let mut entries: Vec<Entry> = others
        .into_iter()
        .filter(|&name| name != "cmdline" || pprof.shows_command_line)
        .map(|name| (name, 0))
        .chain(Named::ALL.map(|named| (named.name(), named.count())))
        .map(|(name, count)| Entry {
            name,
            count,
            description: description(name),
        })
        .collect();
    entries.sort_by_key(|entry| entry.name);
    entries
}

fn description(name: &str) -> &'static str {
    match name {
        "allocs" => "Everything allocated since the program began, freed or not, by call stack.",
        "block" => "Waiting for locks and channels. This program records none.",
        "cmdline" => "The arguments that the program was started with.",
        "goroutine" => "The operating system's threads of the program, and where each one is.",
        "heap" => "What is in use now, by the call stack that allocated it.",
        "mutex" => "Holding locks that others wait for. This program records none.",
        "peak" => "What was in use when most was, by the call stack that allocated it.",
        "profile" => {
            "Where processor time goes, measured for 30 seconds or as many as the parameter \
             seconds says. Open it with go tool pprof."
        }
        "stages" => "Moments that the program has marked, and what changed from one to the next.",
        "symbol" => "The functions that addresses lie in. Tools ask it; there is nothing to read.",
        "threadcreate" => "How many threads of the operating system there are.",
        _ => "",
    }
}

fn render(entries: &[Entry]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "/debug/pprof/" }
                link rel="stylesheet" href=(STYLE);
            }
            body {
                main {
                    h1 { "/debug/pprof/" }
                    p { "Add " code { "?debug=1" } " to a profile's address to read it as text." }
                    h2 { "Profiles" }
                    table {
                        thead { tr { th scope="col" { "Count" } th scope="col" { "Profile" } } }
                        tbody {
                            @for entry in entries {
                                tr {
                                    td { (entry.count) }
                                    td { a href={ (entry.name) "?debug=1" } { (entry.name) } }
                                }
                            }
                        }
                    }
                    p { a href="goroutine?debug=2" { "Every thread with its stack" } }
                    h2 { "What they hold" }
                    dl {
                        @for entry in entries {
                            dt { (entry.name) }
                            dd { (entry.description) }
                        }
                    }
                }
            }
        }
    }
}
