#![forbid(unsafe_code)]
//! Where the program's memory is, part by part.

use maud::{Markup, html};

use super::units::unsigned_bytes;
use crate::overview::Memory;
use crate::snapshot::Stats;

/// Made anew with the page alone: the kernel walks through resident memory for it.
pub(super) fn section(stats: &Stats) -> Markup {
    let memory = Memory::now(stats);
    let parts = memory.parts();
    let all: u64 = parts.iter().map(|part| part.bytes).sum();
    html! {
        section aria-labelledby="places" {
            h2 #places { "Where it is" }
            div.scrolls tabindex="0" role="region" aria-labelledby="places" {
                table.places {
                    tbody {
                        @for part in parts {
                            tr {
                                th scope="row" { (part.name) }
                                td.figure { (unsigned_bytes(part.bytes)) }
                                td { meter max=(all) value=(part.bytes) aria-hidden="true" {} }
                                td { small { (part.formula) } }
                            }
                        }
                    }
                }
            }
            details {
                summary { "What the allocator, the kernel and the control group say" }
                pre tabindex="0" { (memory) }
            }
            p.about { "As it was when this page was loaded." }
        }
    }
}
