#![forbid(unsafe_code)]
//! The page of the stages that the program has marked.

use maud::{Markup, html};

use super::layout::Page;
use crate::stages::table::{COLUMNS, NAME_HEAD};
use crate::stages::{Stage, Stages};

/// The page of all of them.
pub(in crate::http) fn page(stages: &Stages, accepts_stages: bool) -> String {
    let content = html! {
        main class="wide" {
            p { a href="." { "/debug/pprof/" } }
            h1 { "Stages" }
            (table(stages))
            p {
                "The table as "
                a href="?debug=1" { "text" } ", "
                a href="?format=markdown" { "Markdown" } ", "
                a href="?format=csv" { "CSV" } "."
            }
            @if stages.iter().len() > 1 { (difference(stages)) }
            @if accepts_stages { (new_stage()) }
            (where_it_was(stages))
        }
    };
    let page = Page {
        title: "Stages",
        assets: "ui/",
        scripts: &[],
        content,
    };
    page.render()
}

fn table(stages: &Stages) -> Markup {
    html! {
        @if stages.iter().len() == 0 {
            p {
                "None yet. The program marks them: " code { "heapprof::stage(\"started\")" } "."
            }
        } @else {
            div class="scrolls" tabindex="0" role="region" aria-label="Stages" {
                table {
                    thead {
                        tr {
                            @for (head, is_figure) in COLUMNS {
                                th scope="col" class=[is_figure.then_some("figure")] { (head) }
                            }
                        }
                    }
                    tbody {
                        @for (stage, row) in stages.iter().zip(stages.rows()) {
                            tr {
                                @for (cell, (head, is_figure)) in row.iter().zip(COLUMNS) {
                                    @if is_figure {
                                        td class="figure" { (cell) }
                                    } @else if head == NAME_HEAD {
                                        td { (links(stage)) }
                                    } @else {
                                        td { (cell) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if stages.dropped() > 0 {
                p { (stages.dropped()) " earlier stages are no longer kept." }
            }
        }
    }
}

fn links(stage: &Stage) -> Markup {
    let number = stage.number;
    html! {
        (stage.name)
        br;
        small {
            a href={ "ui/flamegraph?stage=" (number) } { "flame graph" } " "
            a href={ "ui/top?stage=" (number) } { "top" } " "
            a href={ "?stage=" (number) } { "profile" } " "
            a href={ "?stage=" (number) "&debug=1" } { "text" }
        }
    }
}

fn difference(stages: &Stages) -> Markup {
    let numbers: Vec<u64> = stages.iter().map(|stage| stage.number).collect();
    let [.., before, last] = numbers[..] else {
        return Markup::default();
    };
    let choice = |field: &str, label: &str, chosen: u64| {
        html! {
            label {
                (label) " "
                select name=(field) {
                    @for stage in stages.iter() {
                        option value=(stage.number) selected[stage.number == chosen] {
                            (stage.number) ": " (stage.name)
                        }
                    }
                }
            }
        }
    };
    html! {
        h2 { "What changed between two" }
        form {
            (choice("since", "from", before)) " "
            (choice("stage", "to", last)) " "
            button formaction="ui/flamegraph" { "Flame graph" } " "
            button formaction="ui/top" { "Top" } " "
            button { "Profile" } " "
            button name="debug" value="1" { "Text" }
        }
    }
}

fn new_stage() -> Markup {
    html! {
        h2 { "Mark a stage" }
        form method="post" {
            label { "Name " input name="name" required maxlength="100"; } " "
            button { "Mark" }
        }
    }
}

#[cfg(unix)]
fn where_it_was(stages: &Stages) -> Markup {
    let (names, rows) = stages.parts();
    html! {
        @if !rows.is_empty() {
            h2 #where { "Where it was" }
            div class="scrolls" tabindex="0" role="region" aria-labelledby="where" {
                table {
                    thead {
                        tr {
                            th scope="col" { "MiB" }
                            @for name in names { th scope="col" class="figure" { (name) } }
                        }
                    }
                    tbody {
                        @for (stage, row) in stages.iter().zip(rows) {
                            tr {
                                th scope="row" { (stage.number) ": " (stage.name) }
                                @for cell in row { td class="figure" { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(not(unix))]
fn where_it_was(_: &Stages) -> Markup {
    Markup::default()
}
