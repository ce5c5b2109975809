#![forbid(unsafe_code)]
//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};

use super::figure::{Asked, Figure};

/// A page.
pub(in crate::http) struct Page<'a> {
    pub(in crate::http) title: &'a str,
    /// From the page to the folder of the assets.
    pub(in crate::http) assets: &'static str,
    pub(in crate::http) scripts: &'static [&'static str],
    pub(in crate::http) content: Markup,
}

impl Page<'_> {
    pub(in crate::http) fn render(&self) -> String {
        let asset = |name: &str| format!("{}{name}", self.assets);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="icon" href=(asset("icon.svg"));
                    link rel="stylesheet" href=(asset("style.css"));
                    @for script in self.scripts {
                        script defer src=(asset(script)) {}
                    }
                }
                body { (self.content) }
            }
        }
        .into_string()
    }
}

/// The name of the program's file.
pub(super) fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// From one view to the others.
pub(super) fn navigation(asked: Asked, current: &str) -> Markup {
    let pages = [
        ("flamegraph", "Flame graph"),
        ("top", "Top"),
        ("folded", "Folded"),
        ("profile.pb.gz", ".pb.gz"),
    ];
    let figures = Figure::ALL.map(|figure| (figure, figure.label()));
    let is_current = |is| if is { Some("page") } else { None };
    html! {
        header {
            p.about { a href="../" { "/debug/pprof/" } " · " (program()) }
            h1 { (asked.title()) }
            nav aria-label="Views" {
                ul {
                    @for (page, name) in pages {
                        li { a href=(asked.link(page)) aria-current=[is_current(page == current)] { (name) } }
                    }
                }
                ul {
                    @for (figure, label) in figures {
                        li {
                            a href=(asked.with(figure).link(current)) aria-current=[is_current(figure == asked.figure)] {
                                (label)
                            }
                        }
                    }
                }
            }
        }
    }
}
