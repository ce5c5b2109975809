#![forbid(unsafe_code)]
//! The core: a request in, a response out. No sockets, no runtime.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::{self, Answer};
use super::labels::{Labels, allocs_with_lifetimes, heap_with_ages};
use super::named::Named;
use super::pprof::Pprof;
use super::query::Query;
use super::{Cancellation, cpu, delta, entries, leaks, stages, symbol, ui};
use crate::record::thread;

const ROOT: &str = "/debug/pprof";

/// Go's duration of a CPU profile when the request does not say one.
const DEFAULT_SECONDS: u64 = 30;

/// Longest list of addresses that `symbol` takes, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;

impl Pprof {
    /// Answers one request. Blocks for as long as the answer takes to make:
    /// milliseconds, or the `seconds` that were asked for. So call it from a thread
    /// that may wait, and call [`Cancellation::cancel`] when the client has gone.
    ///
    /// Whatever comes before `/debug/pprof` in the path is not looked at: a server
    /// can have it below a path of its own. Of a `HEAD` request, the response has
    /// no body.
    ///
    /// What the guards are that stand before the answer, and which of them are the
    /// server's, says [the module](super#guards).
    ///
    /// ```
    /// use heapprof::http::{Cancellation, Pprof};
    ///
    /// let request = http::Request::get("/debug/pprof/cmdline").body([]).unwrap();
    /// let response = Pprof::new().respond(&request, &Cancellation::default());
    /// assert_eq!(response.status(), 200);
    /// ```
    pub fn respond(
        &self,
        request: &Request<impl AsRef<[u8]>>,
        cancellation: &Cancellation,
    ) -> Response<Vec<u8>> {
        let _busy = thread::busy();
        let mut answer = match self.refusal(request) {
            Some(refusal) => refusal,
            None => self.route(request, cancellation),
        };
        if request.method() == Method::HEAD {
            answer.body_mut().clear();
        }
        answer
    }

    /// Whether the answer is one that waits for `seconds`, or would if it were given.
    pub(super) fn takes_time<B>(&self, request: &Request<B>) -> bool {
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
        path.ends_with("/profile") || Query::new(request.uri().query()).seconds().is_some()
    }

    fn refusal(&self, request: &Request<impl AsRef<[u8]>>) -> Option<Answer> {
        let (uri, headers) = (request.uri(), request.headers());
        if !self.hosts.accept(uri, headers) {
            return Some(answer::error(
                StatusCode::FORBIDDEN,
                "this Host is not served; heapprof::http::Pprof::allow_host adds to those that are",
            ));
        }
        if super::origin::is_foreign(uri, headers) {
            return Some(answer::error(
                StatusCode::FORBIDDEN,
                "a page of another origin sent this request; enter the address yourself",
            ));
        }
        let is_known = |token: &super::token::Token| token.is_in(headers);
        if !self.token.as_ref().is_none_or(is_known) {
            return Some(answer::unauthorized(
                "a token is needed, as Authorization: Bearer, or as the password of Basic",
            ));
        }
        (request.body().as_ref().len() > MAX_BODY_BYTES).then(body_too_large)
    }

    fn route(&self, request: &Request<impl AsRef<[u8]>>, cancellation: &Cancellation) -> Answer {
        let Ok(path) = percent_decode_str(request.uri().path()).decode_utf8() else {
            return answer::page_not_found();
        };
        let name = match path.split_once("/debug/pprof/") {
            Some((_, name)) => name,
            None if path.ends_with(ROOT) => "",
            None => return answer::page_not_found(),
        };
        let allowed = match name {
            // Go's own tools post there, although its servers have refused it
            // since 1.22.
            "symbol" => "GET, HEAD, POST",
            stages::NAME if self.accepts_stages => "GET, HEAD, POST",
            ui::TAKE => "POST",
            _ => "GET, HEAD",
        };
        let method = request.method().as_str();
        if !allowed.split(", ").any(|allowed| allowed == method) {
            return answer::method_not_allowed(allowed);
        }
        if path.ends_with(ROOT) {
            return redirect_to_index(&path, request.uri().query());
        }

        let query = Query::new(request.uri().query());
        match name {
            "" => self.quick(|| self.ui.index(&entries::entries(self))),
            "cmdline" if self.shows_command_line => command_line(),
            leaks::NAME => self.quick(|| leaks::answer(&query)),
            #[cfg(feature = "metrics")]
            "metrics" => self.quick(super::metrics::answer),
            "profile" => self.cpu_profile(&query, cancellation),
            stages::NAME if request.method() == Method::POST => {
                self.quick(|| stages::add(request.uri().query(), request.body().as_ref()))
            }
            stages::NAME => self.quick(|| stages::answer(&query, self.accepts_stages)),
            "symbol" if request.method() == Method::POST => {
                self.quick(|| symbol::answer(request.body().as_ref()))
            }
            "symbol" => {
                let addresses = request.uri().query().unwrap_or_default();
                self.quick(|| symbol::answer(addresses.as_bytes()))
            }
            _ => match (Named::of(name), name.strip_prefix("ui/")) {
                (Some(named), _) => self.named(named, &query, cancellation),
                (_, Some(page)) => self.quick(|| {
                    let answer = self.ui.answer(page, &query);
                    answer.unwrap_or_else(unknown)
                }),
                _ => unknown(),
            },
        }
    }

    fn named(&self, named: Named, query: &Query, cancellation: &Cancellation) -> Answer {
        let debug = query.debug();
        let labels = match Labels::of(named, query) {
            Ok(labels) => labels,
            Err(problem) => return bad_request(problem),
        };
        let Some(seconds) = query.seconds() else {
            return self.quick(|| match labels {
                Labels::Recorded => named.answer(debug),
                Labels::WithAge => heap_with_ages(),
                Labels::WithLifetime => allocs_with_lifetimes(),
            });
        };
        let Ok(seconds) = seconds else {
            return bad_request("invalid value for \"seconds\" - must be a positive integer");
        };
        if debug != 0 {
            return bad_request("seconds and debug params are incompatible");
        }
        if seconds > self.max_seconds {
            return self.too_long();
        }
        match self.limits.deltas.enter() {
            Some(_place) => delta::answer(named, seconds, cancellation),
            None => answer::busy("too many profiles over a time are being taken", 10),
        }
    }

    fn cpu_profile(&self, query: &Query, cancellation: &Cancellation) -> Answer {
        let seconds = match query.seconds() {
            Some(Ok(seconds)) => seconds,
            None | Some(Err(_)) => DEFAULT_SECONDS.min(self.max_seconds),
        };
        if seconds > self.max_seconds {
            return self.too_long();
        }
        match cpu::profile(Duration::from_secs(seconds), cancellation) {
            Ok(profile) => answer::profile("profile", profile),
            Err(cpu::Failure::Ended(ended)) => delta::ended_early(ended),
            Err(cpu::Failure::NotEnabled(why)) => answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("Could not enable CPU profiling: {why}"),
            ),
        }
    }

    /// Makes an answer that does not wait, if not too many are being made.
    fn quick(&self, make: impl FnOnce() -> Answer) -> Answer {
        match self.limits.answers.enter() {
            Some(_place) => make(),
            None => answer::busy("too many profiles are being taken", 1),
        }
    }

    fn too_long(&self) -> Answer {
        bad_request(&format!(
            "invalid value for \"seconds\" - at most {} are served",
            self.max_seconds
        ))
    }
}

/// More than [`MAX_BODY_BYTES`].
pub(super) fn body_too_large() -> Answer {
    answer::error(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("the body has more than {MAX_BODY_BYTES} bytes"),
    )
}

fn unknown() -> Answer {
    answer::error(StatusCode::NOT_FOUND, "Unknown profile")
}

pub(super) fn bad_request(text: &str) -> Answer {
    answer::error(StatusCode::BAD_REQUEST, text)
}

/// As Go does it. Below another path, relative to where it was asked: `path` could
/// begin with the name of another host.
fn redirect_to_index(path: &str, query: Option<&str>) -> Answer {
    let index = if path == ROOT {
        "/debug/pprof/"
    } else {
        "pprof/"
    };
    match query {
        Some(query) => answer::redirect(&format!("{index}?{query}")),
        None => answer::redirect(index),
    }
}

/// The arguments with a NUL between each two.
fn command_line() -> Answer {
    let arguments: Vec<Vec<u8>> = std::env::args_os()
        .map(|argument| argument.into_encoded_bytes())
        .collect();
    answer::text(arguments.join(&0))
}
