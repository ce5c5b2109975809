//! Every case that was captured from a live Go server, answered as Go answers it:
//! by a server of our own, and by a router on axum.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use heapprof::http::{Pprof, Server};
use heapprof_end_to_end::Profile;
use heapprof_http::{Answer, Client};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(512);

/// What is in a body.
enum Body {
    /// This.
    Is(&'static str),
    /// Text that begins so.
    Begins(&'static str),
    /// A profile.
    Profile,
    /// Nothing.
    Empty,
}
use Body::{Begins, Empty, Is, Profile as Gzip};

struct Case {
    request: &'static str,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: Body,
}

const NOSNIFF: (&str, &str) = ("x-content-type-options", "nosniff");
const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const BINARY: (&str, &str) = ("content-type", "application/octet-stream");
const GO: (&str, &str) = ("x-go-pprof", "1");
const ALLOW: (&str, &str) = ("allow", "GET, HEAD");
const ERROR: &[(&str, &str)] = &[TEXT, NOSNIFF, GO];

macro_rules! file {
    ($name:literal) => {
        &[
            BINARY,
            NOSNIFF,
            (
                "content-disposition",
                concat!("attachment; filename=\"", $name, "\""),
            ),
        ]
    };
}

const fn case(
    request: &'static str,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: Body,
) -> Case {
    Case {
        request,
        status,
        headers,
        body,
    }
}

const BAD_SECONDS: Body = Is("invalid value for \"seconds\" - must be a positive integer\n");
const UNKNOWN: Body = Is("Unknown profile\n");
const REDIRECT: &[(&str, &str)] = &[HTML, ("location", "/debug/pprof/")];

/// In the order in which they were captured. What is ours on purpose is marked.
const CASES: &[Case] = &[
    case(
        "GET /debug/pprof",
        307,
        REDIRECT,
        Is("<a href=\"/debug/pprof/\">Temporary Redirect</a>.\n\n"),
    ),
    // Ours: the policy for what a page may load.
    case(
        "GET /debug/pprof/",
        200,
        &[
            HTML,
            NOSNIFF,
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                 img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
            ("cache-control", "no-store"),
        ],
        Begins("<!DOCTYPE html>"),
    ),
    case("GET /debug/pprof/heap", 200, file!("heap"), Gzip),
    case("GET /debug/pprof/allocs", 200, file!("allocs"), Gzip),
    case(
        "GET /debug/pprof/heap?debug=1",
        200,
        &[TEXT, NOSNIFF],
        Begins("heap profile: "),
    ),
    case(
        "GET /debug/pprof/heap?debug=2",
        200,
        &[TEXT, NOSNIFF],
        Begins("heap profile: "),
    ),
    case(
        "GET /debug/pprof/allocs?debug=1",
        200,
        &[TEXT, NOSNIFF],
        Begins("heap profile: "),
    ),
    case("GET /debug/pprof/heap?debug=x", 200, file!("heap"), Gzip),
    case("GET /debug/pprof/heap?gc=1", 200, file!("heap"), Gzip),
    case("GET /debug/pprof/heap?seconds=0", 400, ERROR, BAD_SECONDS),
    case("GET /debug/pprof/heap?seconds=x", 400, ERROR, BAD_SECONDS),
    case("GET /debug/pprof/heap?seconds=", 200, file!("heap"), Gzip),
    case(
        "GET /debug/pprof/heap?seconds=1&debug=1",
        400,
        ERROR,
        Is("seconds and debug params are incompatible\n"),
    ),
    case(
        "GET /debug/pprof/heap?seconds=1",
        200,
        file!("heap-delta"),
        Gzip,
    ),
    case(
        "GET /debug/pprof/allocs?seconds=1",
        200,
        file!("allocs-delta"),
        Gzip,
    ),
    case("GET /debug/pprof/nothing", 404, ERROR, UNKNOWN),
    case("GET /debug/pprof/nothing?seconds=1", 404, ERROR, UNKNOWN),
    case(
        "GET /debug/pprof/cmdline?seconds=1",
        200,
        &[TEXT, NOSNIFF],
        Begins("/"),
    ),
    case(
        "GET /debug/pprof/cmdline",
        200,
        &[TEXT, NOSNIFF],
        Begins("/"),
    ),
    case(
        "GET /debug/pprof/symbol",
        200,
        &[TEXT, NOSNIFF],
        Is("num_symbols: 1\n"),
    ),
    case(
        "GET /debug/pprof/symbol?0x1+0x2",
        200,
        &[TEXT, NOSNIFF],
        Is("num_symbols: 1\n"),
    ),
    // Ours: Go's servers answer 405, although its client posts.
    case(
        "POST /debug/pprof/symbol",
        200,
        &[TEXT, NOSNIFF],
        Is("num_symbols: 1\n"),
    ),
    case(
        "PUT /debug/pprof/heap",
        405,
        &[TEXT, NOSNIFF, ALLOW],
        Is("Method Not Allowed\n"),
    ),
    case("HEAD /debug/pprof/heap", 200, file!("heap"), Empty),
    case(
        "GET /debug/pprof/profile?seconds=1",
        200,
        file!("profile"),
        Gzip,
    ),
    // Ours: not offered until they are real.
    case("GET /debug/pprof/trace?seconds=0.1", 404, ERROR, UNKNOWN),
    case("GET /debug/pprof/goroutineleak", 404, ERROR, UNKNOWN),
    case("GET /debug/pprof/goroutine", 200, file!("goroutine"), Gzip),
    case(
        "GET /debug/pprof/goroutine?debug=1",
        200,
        &[TEXT, NOSNIFF],
        Begins("goroutine profile: total "),
    ),
    // Ours: threads of the operating system, in a form of their own.
    case(
        "GET /debug/pprof/goroutine?debug=2",
        200,
        &[TEXT, NOSNIFF],
        Begins("thread "),
    ),
    case(
        "GET /debug/pprof/goroutine?seconds=1",
        200,
        file!("goroutine-delta"),
        Gzip,
    ),
    case(
        "GET /debug/pprof/threadcreate",
        200,
        file!("threadcreate"),
        Gzip,
    ),
    case(
        "GET /debug/pprof/threadcreate?debug=1",
        200,
        &[TEXT, NOSNIFF],
        Begins("threadcreate profile: total "),
    ),
    case(
        "GET /debug/pprof/threadcreate?seconds=1",
        200,
        file!("threadcreate-delta"),
        Gzip,
    ),
    case("GET /debug/pprof/mutex", 200, file!("mutex"), Gzip),
    case(
        "GET /debug/pprof/mutex?debug=1",
        200,
        &[TEXT, NOSNIFF],
        Is("--- mutex:\ncycles/second=1000000000\nsampling period=0\n"),
    ),
    case("GET /debug/pprof/block", 200, file!("block"), Gzip),
    case(
        "GET /debug/pprof/block?debug=1",
        200,
        &[TEXT, NOSNIFF],
        Is("--- contention:\ncycles/second=1000000000\n"),
    ),
    case("GET /debug/pprof/heap/x", 404, ERROR, UNKNOWN),
    case("GET /debug/pprof/heap/", 404, ERROR, UNKNOWN),
    // Not captured, but in Go's sources.
    case(
        "GET /debug/pprof?a=b",
        307,
        &[HTML, ("location", "/debug/pprof/?a=b")],
        Is("<a href=\"/debug/pprof/?a=b\">Temporary Redirect</a>.\n\n"),
    ),
    case("HEAD /debug/pprof/nothing", 404, ERROR, Empty),
    case(
        "GET /debug/pprof/h%65ap?debug=1",
        200,
        &[TEXT, NOSNIFF],
        Begins("heap profile: "),
    ),
    case("GET /debug/pprof/heap?seconds=-1", 400, ERROR, BAD_SECONDS),
    case(
        "GET /debug/pprof/heap?seconds=1&debug=x",
        200,
        file!("heap-delta"),
        Gzip,
    ),
    case(
        "DELETE /debug/pprof/symbol",
        405,
        &[TEXT, NOSNIFF, ("allow", "GET, HEAD, POST")],
        Is("Method Not Allowed\n"),
    ),
];

/// There is one CPU profile at a time in a program: one server after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn a_server_of_our_own_answers_as_go_does() {
    let _one = ONE_AT_A_TIME.lock();
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    check_cases(server.local_addr(), &[]);
    let answer = Client::new(server.local_addr()).get("/elsewhere");
    assert_eq!(
        (answer.status, answer.text()),
        (404, "404 page not found\n")
    );
    Server::shutdown(server);
}

#[test]
fn a_router_on_axum_answers_as_go_does() {
    let _one = ONE_AT_A_TIME.lock();
    let address = serve_by_axum(axum::Router::new().merge(Pprof::new().router()));
    check_cases(address, &["connection"]);
}

#[test]
fn a_router_below_another_path_answers_there() {
    let app = axum::Router::new().nest("/internal", Pprof::new().router());
    let client = Client::new(serve_by_axum(app));
    let close = [("Connection", "close")];
    let get = |target| client.ask("GET", target, &close, b"");
    Profile::decode(&get("/internal/debug/pprof/heap").body);
    // Relative to where it was asked.
    assert_eq!(
        get("/internal/debug/pprof?x").header("location"),
        "pprof/?x"
    );
    assert_eq!(get("/internal/debug/pprof/").status, 200);
    assert_eq!(get("/debug/pprof/heap").status, 404);
    let addresses = b"0x1";
    let answer = client.ask("POST", "/internal/debug/pprof/symbol", &close, addresses);
    assert_eq!(answer.text(), "num_symbols: 1\n");
    let too_long = vec![b'0'; (1 << 20) + 1];
    let answer = client.ask("POST", "/internal/debug/pprof/symbol", &close, &too_long);
    assert_eq!(answer.status, 413);
}

#[test]
fn no_path_leads_to_another_host() {
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    let client = Client::new(server.local_addr());
    for path in [
        "//evil.example/debug/pprof",
        "/\\evil.example/debug/pprof",
        "/x/debug/pprof",
    ] {
        let answer = client.get(path);
        if answer.status == 307 {
            assert_eq!(answer.header("location"), "pprof/", "{path}");
        } else {
            assert!(answer.status >= 400, "{path}: {answer:?}");
        }
    }
    server.shutdown();
}

/// On a runtime that is left behind.
fn serve_by_axum(app: axum::Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    listener.set_nonblocking(true).expect("it is a socket");
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, app).await.expect("it never ends");
        });
    });
    address
}

/// All at once: some of them take a second.
fn check_cases(address: SocketAddr, ignored: &[&str]) {
    thread::scope(|scope| {
        let check = |case| scope.spawn(move || check(case, address, ignored));
        let checks: Vec<_> = CASES.iter().map(check).collect();
        for check in checks {
            check.join().expect("the case is as Go's");
        }
    });
}

/// Asks, and asks again while too much is under way.
fn ask(case: &Case, address: SocketAddr) -> Answer {
    let (method, target) = case.request.split_once(' ').expect("method and target");
    loop {
        let close = [("Connection", "close")];
        let answer = Client::new(address).ask(method, target, &close, b"");
        if answer.status != 503 {
            return answer;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn check(case: &Case, address: SocketAddr, ignored: &[&str]) {
    let mut answer = ask(case, address);
    for header in ["date", "content-length", "connection"]
        .iter()
        .chain(ignored)
    {
        answer.headers.remove(*header);
    }
    let request = case.request;
    assert_eq!(answer.status, case.status, "{request}: {answer:?}");
    let headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let mut expected = case.headers.to_vec();
    expected.sort_unstable();
    assert_eq!(headers, expected, "{request}");
    match case.body {
        Is(text) => assert_eq!(answer.text(), text, "{request}"),
        Begins(text) => assert!(answer.text().starts_with(text), "{request}: {answer:?}"),
        Gzip => check_profile(&answer, request),
        Empty => assert!(answer.body.is_empty(), "{request}"),
    }
}

fn check_profile(answer: &Answer, request: &str) {
    let profile = Profile::decode(&answer.body);
    let disposition = answer.header("content-disposition");
    let name = disposition.split('"').nth(1).unwrap_or_default();
    let (name, is_delta) = match name.strip_suffix("-delta") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let memory = [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ];
    let one = [(name, "count")];
    let (types, period): (&[_], _) = match name {
        "heap" | "allocs" => (&memory, ("space", "bytes", 512)),
        "profile" => (
            &[("samples", "count"), ("cpu", "nanoseconds")],
            ("cpu", "nanoseconds", 10_000_000),
        ),
        "block" | "mutex" => (
            &[("contentions", "count"), ("delay", "nanoseconds")],
            ("contentions", "count", 1),
        ),
        _ => (&one, (name, "count", 1)),
    };
    assert_eq!(profile.sample_types(), types, "{request}");
    assert_eq!(profile.period(), period, "{request}");
    let first = if name == "allocs" { "alloc_space" } else { "" };
    assert_eq!(profile.default_sample_type(), first, "{request}");
    let (_, nanos) = profile.time_and_duration();
    let takes_a_second = is_delta || name == "profile";
    assert_eq!(nanos >= 1_000_000_000, takes_a_second, "{request}: {nanos}");
}
