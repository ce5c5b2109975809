#![forbid(unsafe_code)]
//! `/debug/pprof` over HTTP, as Go's programs have it.
//!
//! One line serves it, on a thread of its own:
//!
//! ```no_run
//! # fn main() -> Result<(), heapprof::Error> {
//! heapprof::http::serve("127.0.0.1:8282")?;
//! # Ok(())
//! # }
//! ```
//!
//! Then open `http://127.0.0.1:8282/debug/pprof/` in a browser, or
//!
//! ```console
//! $ go tool pprof -top http://127.0.0.1:8282/debug/pprof/heap
//! ```
//!
//! A program that has a server nests [`Pprof::router`] in it (feature `axum`), or
//! hands requests to [`Pprof::respond`], which knows neither sockets nor runtimes.
//!
//! # Routes
//!
//! Below `/debug/pprof/`, for `GET` and `HEAD`; parameters, headers and texts are
//! Go's. The index page lists what there is. [HTTP.md] says what each answers, how
//! scrapers are set up, and what a scrape costs.
//!
//! `stages` has what [`stage`](crate::stage()) has marked: as a page with a link to each
//! stage's profile, as text (`debug=1`), Markdown or CSV (`format=markdown`, `csv`);
//! `stage=3` is the profile of the third, `stage=3&since=2` what has changed in it. `POST`
//! with a form field `name` marks one, if [allowed](Pprof::accept_stages).
//!
//! `leaks?older=10m` has what has been in use for so long, and how much of it grew;
//! `heap?labels=age` the age of everything, `allocs?labels=lifetime` how long what was
//! freed had lived, `labels=thread` the threads' names if they
//! [are recorded](crate::label_threads).
//!
//! `profile` needs the feature `cpu`, and the stacks of `goroutine` the feature
//! `threads`: both come from signal handlers, and [CPU_AND_THREADS.md] says what that
//! does to a program.
//!
//! # Guards
//!
//! | | [`respond`](Pprof::respond) | [`router`](Pprof::router) | [`serve`] |
//! |---|---|---|---|
//! | listens on loopback addresses alone, unless told otherwise by name | | | yes |
//! | `Host` is known | if [allowed ones](Pprof::allow_host) are listed | the same | always on loopback |
//! | no page of another origin asks (`Sec-Fetch-Site`, `Origin`) | yes | yes | yes |
//! | [token](Pprof::token), if there is one | yes | yes | yes |
//! | 4 deltas at a time, 503 beyond; one CPU profile in the program, Go's 500 beyond | yes | yes | yes |
//! | 8 other answers at a time; 503 beyond | yes | yes | they are made one after the other |
//! | `seconds` has a [limit](Pprof::max_seconds) | yes | yes | yes |
//! | bodies have at most 1 MiB | refuses | reads no more | reads no more |
//! | a client that has gone ends the work | by [`Cancellation`] | yes | yes |
//! | heads have at most 64 KiB and 100 lines, and come within 10 s | | | yes |
//! | bodies come within 10 s | | | yes |
//! | 64 connections at a time; 503 beyond | | | yes |
//! | a connection is for one request, and ends a minute after the longest answer | | | yes |
//!
//! No route takes a path, writes a file or runs a program.
//!
//! # Versions
//!
//! [`http`] 1 and, with the feature, `axum` 0.8 are part of this crate's interface:
//! a new major version of one of them is a new one of this crate.
//!
//! [CPU_AND_THREADS.md]: https://docs.rs/crate/heapprof/latest/source/docs/CPU_AND_THREADS.md
//! [HTTP.md]: https://docs.rs/crate/heapprof/latest/source/docs/HTTP.md
//! [`http`]: https://docs.rs/http/1

mod answer;
mod cancellation;
mod cpu;
mod delta;
mod entries;
mod labels;
mod leaks;
mod limits;
#[cfg(feature = "metrics")]
mod metrics;
mod named;
mod numbers;
mod origin;
mod pprof;
mod query;
mod respond;
#[cfg(feature = "axum")]
mod router;
mod server;
mod stages;
mod symbol;
mod threads;
mod token;
mod ui;
mod work;

pub use cancellation::Cancellation;
pub use pprof::Pprof;
pub use server::{Server, serve};
