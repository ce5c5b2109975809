#![forbid(unsafe_code)]
//! The stages that the program has marked: their table, and each as a profile.

use http::StatusCode;
use maud::{Markup, html};

use super::answer::{self, Answer};
use super::named;
use super::query::Query;
use super::respond::bad_request;
use super::ui::Page;
use crate::export::{PprofOptions, View};
use crate::snapshot::Snapshot;
use crate::stages::table::{COLUMNS, NAME_HEAD};
use crate::stages::{Stage, Stages, stage, stages};

/// The route, and where the page is seen from its forms.
pub(super) const NAME: &str = "stages";

const NO_SUCH_STAGE: &str = "no such stage; /debug/pprof/stages lists those that are kept";

/// The table: a page, text (`debug`), CSV or Markdown (`format`); or the profile of
/// one `stage`, or how it differs from an earlier one, `since`.
pub(super) fn answer(query: &Query, accepts_stages: bool) -> Answer {
    let stages = stages();
    if let Some(number) = query.first("stage") {
        return profile(&stages, &number, query);
    }
    match query.first("format").as_deref() {
        None if query.debug() == 0 => answer::page(page(&stages, accepts_stages)),
        None => answer::text(stages.to_string()),
        Some("csv") => answer::csv("stages.csv", stages.to_csv()),
        Some("markdown") => answer::text(stages.to_markdown()),
        Some(_) => bad_request("invalid value for \"format\" - must be csv or markdown"),
    }
}

/// Marks a stage. Its name is in the form that is sent, or in the query.
pub(super) fn add(query: Option<&str>, form: &[u8]) -> Answer {
    let form = String::from_utf8_lossy(form);
    let name = [Some(&*form), query]
        .into_iter()
        .find_map(|fields| Query::new(fields).first("name"));
    let Some(name) = name else {
        return bad_request("a stage needs a name; send the form field \"name\"");
    };
    match stage(&name) {
        Ok(stage) => answer::see_other(NAME, &format!("stage {}: {}", stage.number, stage.name)),
        Err(error) => named::cannot_collect(&error),
    }
}

fn profile(stages: &Stages, number: &str, query: &Query) -> Answer {
    let Some((number, snapshot)) = find(stages, number) else {
        return answer::error(StatusCode::NOT_FOUND, NO_SUCH_STAGE);
    };
    let Some(since) = query.first("since") else {
        return written(&format!("stage-{number}"), &snapshot, query);
    };
    match find(stages, &since) {
        None => answer::error(StatusCode::NOT_FOUND, NO_SUCH_STAGE),
        Some((earlier, _)) if earlier >= number => {
            bad_request("invalid value for \"since\" - must be an earlier stage")
        }
        Some((earlier, before)) => written(
            &format!("stage-{number}-since-{earlier}"),
            &snapshot.since(&before),
            query,
        ),
    }
}

fn find(stages: &Stages, number: &str) -> Option<(u64, Snapshot)> {
    let number = number.parse().ok()?;
    Some((number, stages.snapshot(number)?))
}

fn written(name: &str, snapshot: &Snapshot, query: &Query) -> Answer {
    if query.debug() != 0 {
        return answer::text(snapshot.to_text(View::InUse));
    }
    let bytes = snapshot.to_pprof(PprofOptions::default());
    answer::profile(&format!("{name}.pb.gz"), bytes)
}

fn page(stages: &Stages, accepts_stages: bool) -> String {
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
    html! {
        (stage.name) ": "
        a href={ "?stage=" (stage.number) } { "profile" } ", "
        a href={ "?stage=" (stage.number) "&debug=1" } { "text" }
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

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    use crate::http::{Cancellation, Pprof};

    /// Status, type and text of an answer. The test program registers no allocator,
    /// and hence has no stages.
    fn ask(pprof: Pprof, method: Method, target: &str, site: &str) -> (u16, String, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/debug/pprof/{target}"))
            .header("sec-fetch-site", site);
        let answer = pprof.respond(&request.body("").unwrap(), &Cancellation::default());
        let header = answer.headers().get("content-type");
        let content_type = header.map_or("", |value| value.to_str().unwrap());
        (
            answer.status().as_u16(),
            content_type.to_owned(),
            String::from_utf8(answer.body().clone()).unwrap(),
        )
    }

    fn get(target: &str) -> (u16, String, String) {
        ask(Pprof::new(), Method::GET, target, "none")
    }

    #[test]
    fn the_table_comes_in_four_forms() {
        let (status, content_type, page) = get("stages");
        assert_eq!((status, &*content_type), (200, "text/html; charset=utf-8"));
        assert!(page.contains("None yet") && !page.contains("method=\"post\""));
        for (target, content_type, begins) in [
            ("stages?debug=1", "text/plain; charset=utf-8", "#  Stage"),
            (
                "stages?format=markdown",
                "text/plain; charset=utf-8",
                "| # | Stage |",
            ),
            (
                "stages?format=csv",
                "text/csv; charset=utf-8",
                "number,name,",
            ),
        ] {
            let answer = get(target);
            assert_eq!((answer.0, &*answer.1), (200, content_type));
            assert!(answer.2.starts_with(begins), "{}", answer.2);
        }
        assert_eq!(get("stages?format=xml").0, 400);
        assert_eq!(
            (get("stages?stage=1").0, get("stages?stage=x").0),
            (404, 404)
        );
    }

    #[test]
    fn stages_are_marked_where_that_is_allowed_and_by_nobody_elses_page() {
        let post = |pprof: Pprof, target, site| ask(pprof, Method::POST, target, site);
        let accepting = || Pprof::new().accept_stages();
        assert_eq!(post(Pprof::new(), "stages?name=a", "none").0, 405);
        assert_eq!(post(accepting(), "stages?name=a", "cross-site").0, 403);
        let (status, _, text) = post(accepting(), "stages?name=", "same-origin");
        assert_eq!(status, 400, "{text}");
        let (status, _, text) = post(accepting(), "stages?name=a", "same-origin");
        assert!(
            status == 500 && text.contains("#[global_allocator]"),
            "{text}"
        );
        let page = ask(accepting(), Method::GET, "stages", "none").2;
        assert!(page.contains("<form method=\"post\">"));
    }
}
