#![forbid(unsafe_code)]
//! What pages are made of beside their text. Each is a route of its own, so that a
//! policy without anything inline holds.

use crate::http::answer::{self, Answer};

/// By the name of its route.
pub(super) fn answer(name: &str) -> Option<Answer> {
    Some(match name {
        "style.css" => answer::asset("text/css; charset=utf-8", include_str!("style.css")),
        "index.js" => answer::asset(SCRIPT, include_str!("index.js")),
        "flamegraph.js" => answer::asset(SCRIPT, include_str!("flamegraph.js")),
        // d3-flame-graph with what it stands on; viewer/README.md says how it was made.
        "viewer.js" => answer::asset(SCRIPT, include_str!("viewer/viewer.js")),
        "icon.svg" => answer::asset("image/svg+xml", include_str!("icon.svg")),
        _ => return None,
    })
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
