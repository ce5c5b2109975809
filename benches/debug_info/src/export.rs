//! What heapprof's symbolizer expects around it.

pub(crate) use heapprof::Symbols;

#[path = "../../../src/export/frame.rs"]
pub(crate) mod frame;
#[path = "../../../src/export/symbolize/mod.rs"]
pub(crate) mod symbolize;
