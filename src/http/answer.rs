#![forbid(unsafe_code)]
//! The kinds of responses there are, with Go's headers.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// What is sent back.
pub(super) type Answer = Response<Vec<u8>>;

/// `go tool pprof` shows the text of errors that have this header alone.
const X_GO_PPROF: HeaderName = HeaderName::from_static("x-go-pprof");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Pages load, run and send nothing but from and to here, have nothing of it in
/// themselves, and are shown in no frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// A profile, for a tool to keep as a file of such a name.
pub(super) fn profile(name: &str, bytes: Vec<u8>) -> Answer {
    let stream = HeaderValue::from_static("application/octet-stream");
    attached(name, new(StatusCode::OK, stream, bytes))
}

fn attached(name: &str, mut answer: Answer) -> Answer {
    // Names are ours, and hence visible ASCII.
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        answer
            .headers_mut()
            .insert(CONTENT_DISPOSITION, disposition);
    }
    answer
}

/// Text, for people.
pub(super) fn text(text: impl Into<Vec<u8>>) -> Answer {
    new(StatusCode::OK, TEXT, text.into())
}

/// Figures, for Prometheus.
#[cfg(feature = "metrics")]
pub(super) fn metrics(text: String) -> Answer {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    new(StatusCode::OK, HeaderValue::from_static(kind), text.into())
}

/// A page.
pub(super) fn page(html: String) -> Answer {
    let mut answer = new(StatusCode::OK, HTML, html.into_bytes());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A table, for a tool to keep as a file of such a name.
pub(super) fn csv(name: &str, text: String) -> Answer {
    let csv = HeaderValue::from_static("text/csv; charset=utf-8");
    attached(name, new(StatusCode::OK, csv, text.into_bytes()))
}

/// What pages are made of.
pub(super) fn asset(content_type: &'static str, text: &str) -> Answer {
    let content_type = HeaderValue::from_static(content_type);
    new(StatusCode::OK, content_type, text.into())
}

/// What pages ask for.
pub(super) fn json(value: &serde_json::Value) -> Answer {
    let mut answer = new(StatusCode::OK, JSON, value.to_string().into_bytes());
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What was sent is done; `to`, a path, shows it.
pub(super) fn see_other(to: &'static str, text: &str) -> Answer {
    let mut answer = plain_error(StatusCode::SEE_OTHER, text);
    let headers = answer.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static(to));
    answer
}

/// What went wrong, in words that `go tool pprof` passes on.
pub(super) fn error(status: StatusCode, text: &str) -> Answer {
    let mut answer = plain_error(status, text);
    let yes = HeaderValue::from_static("1");
    answer.headers_mut().insert(X_GO_PPROF, yes);
    answer
}

/// Too much is under way.
pub(super) fn busy(text: &str, retry_after_seconds: u64) -> Answer {
    let mut answer = error(StatusCode::SERVICE_UNAVAILABLE, text);
    let headers = answer.headers_mut();
    headers.insert(RETRY_AFTER, retry_after_seconds.into());
    answer
}

/// No or another token: browsers ask for one.
pub(super) fn unauthorized(text: &str) -> Answer {
    let mut answer = error(StatusCode::UNAUTHORIZED, text);
    let basic = HeaderValue::from_static("Basic realm=\"heapprof\", charset=\"UTF-8\"");
    answer.headers_mut().insert(WWW_AUTHENTICATE, basic);
    answer
}

/// In the words of Go's router.
pub(super) fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut answer = plain_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let allowed = HeaderValue::from_static(allowed);
    answer.headers_mut().insert(ALLOW, allowed);
    answer
}

/// In the words of Go's router.
pub(super) fn page_not_found() -> Answer {
    plain_error(StatusCode::NOT_FOUND, "404 page not found")
}

/// In the words of Go's router. `to` is a path and perhaps a query.
pub(super) fn redirect(to: &str) -> Answer {
    let link = maud::html! { a href=(to) { "Temporary Redirect" } };
    let body = format!("{}.\n\n", link.into_string());
    let mut answer = new(StatusCode::TEMPORARY_REDIRECT, HTML, body.into_bytes());
    let headers = answer.headers_mut();
    headers.remove(X_CONTENT_TYPE_OPTIONS);
    // It was part of a request's target.
    if let Ok(to) = HeaderValue::try_from(to) {
        headers.insert(LOCATION, to);
    }
    answer
}

fn plain_error(status: StatusCode, text: &str) -> Answer {
    new(status, TEXT, format!("{text}\n").into_bytes())
}

fn new(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    answer
}
