#![forbid(unsafe_code)]
//! The biggest sites as a table, with the errors of their figures.

use maud::{Markup, html};

use super::figure::{Asked, Subject};
use super::layout::{Page, navigation, program};
use super::units::{bytes, error_bytes, interval_bytes, number, reach_bytes};
use crate::counts::Counts;
use crate::export::{Site, View};
use crate::http::answer::{self, Answer};
use crate::http::query::Query;
use crate::snapshot::Snapshot;

/// Sites on a page.
const LIMIT: usize = 100;

/// The page.
pub(super) fn page(asked: Asked, snapshot: &Snapshot, query: &Query<'_>) -> Answer {
    let view = asked.figure.view;
    let all = snapshot.top_sites(usize::MAX, view);
    let limit = query
        .first("n")
        .and_then(|n| n.parse().ok())
        .unwrap_or(LIMIT);
    let (grown, shrunk) = choose(&all, view, limit);
    let total = counts_of_total(snapshot, view);
    // What was freed is a site with nothing.
    let owners = all
        .iter()
        .filter(|site| counts(site, view).bytes != 0)
        .count();
    let title = format!("{} in {}: top", asked.title(), program());
    let content = html! {
        (navigation(asked, "top"))
        main.wide {
            (summary(asked, &total, owners))
            (table(&grown, view, &total))
            @if !shrunk.is_empty() {
                h2 { "Shrunk" }
                (table(&shrunk, view, &total))
            }
            @if grown.len().max(shrunk.len()) == limit {
                p { a href={ (asked.link("top")) "&n=" (usize::MAX) } { "All sites" } }
            }
        }
    };
    let page = Page {
        title: &title,
        assets: "",
        scripts: &[],
        content,
    };
    answer::page(page.render())
}

/// The largest, and of what is below nothing the lowest first.
fn choose(all: &[Site], view: View, limit: usize) -> (Vec<&Site>, Vec<&Site>) {
    let value = |site: &&Site| counts(site, view).bytes;
    let grown = all.iter().filter(|site| value(site) > 0).take(limit);
    let shrunk = all.iter().rev().filter(|site| value(site) < 0).take(limit);
    (grown.collect(), shrunk.collect())
}

fn counts(site: &Site, view: View) -> &Counts {
    match view {
        View::InUse | View::Peak => &site.in_use,
        View::Allocs => &site.allocated,
    }
}

fn counts_of_total(snapshot: &Snapshot, view: View) -> Counts {
    match view {
        View::InUse => snapshot.stats().in_use,
        View::Allocs => snapshot.stats().allocated,
        View::Peak => snapshot.stats().in_use_at_peak,
    }
}

fn summary(asked: Asked, total: &Counts, sites: usize) -> Markup {
    html! {
        p {
            b { (bytes(total.bytes)) } " " (error_bytes(total)) " in "
            (number(total.objects())) " objects, from " (sites) " lines of code."
            @if asked.subject == Subject::Growth {
                " Where memory both came and went, errors are upper limits."
            }
        }
        p.about {
            "A site is the innermost call outside of the standard library. Of 100 intervals, 95 hold \
             the true number; ± is how far the farther end is away."
        }
    }
}

fn table(sites: &[&Site], view: View, total: &Counts) -> Markup {
    html! {
        table.top {
            thead {
                tr {
                    th scope="col" { "Bytes" }
                    th scope="col" { "±" }
                    th.roomy scope="col" { "95 % interval" }
                    th.roomy scope="col" { "Share" }
                    th.roomy scope="col" { "Objects" }
                    th scope="col" { "Site" }
                }
            }
            tbody {
                @for site in sites {
                    (row(site, counts(site, view), total))
                }
            }
        }
    }
}

fn row(site: &Site, counts: &Counts, total: &Counts) -> Markup {
    let share = 100.0 * counts.bytes as f64 / total.bytes as f64;
    html! {
        tr {
            td { (bytes(counts.bytes)) }
            td { (reach_bytes(counts)) }
            td.roomy { (interval_bytes(counts)) }
            td.roomy {
                @if share.is_finite() { (format!("{share:.1} %")) }
            }
            td.roomy { (number(counts.objects())) }
            td {
                code { (site.function) }
                @if let Some(file) = &site.file {
                    " "
                    small {
                        (file.display())
                        @if let Some(line) = site.line { ":" (line) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::{module, record, snapshot};

    #[test]
    fn what_shrank_most_is_shown_too() {
        let at = |shift: i64| {
            let records = vec![
                record(0, &[0x5100], 8, 100, 50 + shift),
                record(1, &[0x5200], 8, 100, 50 - shift),
                record(2, &[0x5300], 8, 100, 50 - 2 * shift),
                record(3, &[0x5400], 8, 100, 50),
            ];
            snapshot(records, vec![module("/usr/bin/app", 0x5000, 0x6000)])
        };
        let growth = at(20).since(&at(0));
        let sites = growth.top_sites(usize::MAX, View::InUse);
        let names = |sites: Vec<&Site>| -> Vec<String> {
            sites
                .into_iter()
                .map(|site| site.function.clone())
                .collect()
        };
        let (grown, shrunk) = choose(&sites, View::InUse, 5);
        assert_eq!(names(grown), ["0x5100"]);
        assert_eq!(names(shrunk), ["0x5300", "0x5200"]);
        let (grown, shrunk) = choose(&sites, View::InUse, 1);
        assert_eq!((grown.len(), shrunk.len()), (1, 1));
    }
}
