#![forbid(unsafe_code)]
//! The stages that the program has marked: their table, and each as a profile.

use http::StatusCode;

use super::answer::{self, Answer};
use super::named;
use super::query::Query;
use super::respond::bad_request;
use super::ui;
use crate::export::{PprofOptions, View};
use crate::snapshot::Snapshot;
use crate::stages::{Stages, stage, stages};

/// The route, and where the page is seen from its forms.
pub(super) const NAME: &str = "stages";

const NO_SUCH_STAGE: &str = "no such stage; /debug/pprof/stages lists those that are kept";

/// The table: a page, text (`debug`), CSV or Markdown (`format`); or the profile of
/// one `stage`, or how it differs from an earlier one, `since`.
pub(super) fn answer(query: &Query, accepts_stages: bool) -> Answer {
    let stages = stages();
    if let Some(asked) = Asked::by(query) {
        return match asked.snapshot(&stages) {
            Ok(snapshot) => profile(asked, &snapshot, query),
            Err(problem) => *problem,
        };
    }
    match query.first("format").as_deref() {
        None if query.debug() == 0 => answer::page(ui::stages::page(&stages, accepts_stages)),
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

/// A stage, or how it differs from an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) since: Option<u64>,
}

impl Asked {
    /// `stage` and `since`; nothing if there is no `stage`. What is no number is no
    /// stage's, as 0 is.
    pub(super) fn by(query: &Query) -> Option<Self> {
        let number = |text: String| text.parse().unwrap_or(0);
        Some(Self {
            number: query.first("stage").map(number)?,
            since: query.first("since").map(number),
        })
    }

    /// `stage-3`, `stage-3-since-1`
    pub(super) fn name(self) -> String {
        match self.since {
            None => format!("stage-{}", self.number),
            Some(since) => format!("stage-{}-since-{since}", self.number),
        }
    }

    /// The program then, or what changed; or what is wrong.
    pub(super) fn snapshot(self, stages: &Stages) -> Result<Snapshot, Box<Answer>> {
        let find = |number| {
            let no_such_stage = || Box::new(answer::error(StatusCode::NOT_FOUND, NO_SUCH_STAGE));
            stages.snapshot(number).ok_or_else(no_such_stage)
        };
        let snapshot = find(self.number)?;
        match self.since {
            None => Ok(snapshot),
            Some(since) if since >= self.number && find(since).is_ok() => Err(Box::new(
                bad_request("invalid value for \"since\" - must be an earlier stage"),
            )),
            Some(since) => Ok(snapshot.since(&find(since)?)),
        }
    }
}

fn profile(asked: Asked, snapshot: &Snapshot, query: &Query) -> Answer {
    if query.debug() != 0 {
        return answer::text(snapshot.to_text(View::InUse));
    }
    let bytes = snapshot.to_pprof(PprofOptions::default());
    answer::profile(&format!("{}.pb.gz", asked.name()), bytes)
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
