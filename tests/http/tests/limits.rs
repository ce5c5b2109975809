//! Clients that are slow, large, many, or gone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use heapprof::http::{Cancellation, Pprof, Server};
use heapprof_http::{Client, client};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const HEAP: &str = "/debug/pprof/heap";

fn serve() -> (Server, Client) {
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    let client = Client::new(server.local_addr());
    (server, client)
}

#[test]
fn a_client_that_dawdles_is_cut_off() {
    let (server, client) = serve();
    let dawdle = |beginning: &str| {
        let mut stream = client.connect().expect("it listens");
        stream.write_all(beginning.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        // Nothing ends this but the server.
        stream
            .read_to_end(&mut answer)
            .expect("it closes the connection");
        String::from_utf8(answer).expect("answers are text")
    };
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(dawdle(""), ""));
        scope.spawn(|| {
            let answer = dawdle("GET /debug/pprof/ HTTP/1.1\r\nHost: localhost\r\nX");
            assert!(!answer.contains("200 OK"), "{answer}");
        });
        scope.spawn(|| {
            let answer = dawdle(
                "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n0x",
            );
            assert!(answer.starts_with("HTTP/1.1 408 Request Timeout"), "{answer}");
        });
    });
    assert_eq!(client.get(HEAP).status, 200);
    server.shutdown();
}

#[test]
fn heads_and_bodies_have_limits() {
    let (server, client) = serve();
    let long = "x".repeat(200 << 10);
    for (target, headers) in [
        (HEAP, vec![("X-Long", long.as_str())]),
        (HEAP, vec![("X-Many", "x"); 150]),
        (&*format!("{HEAP}?{long}"), vec![]),
    ] {
        let answer = client.ask("GET", target, &headers, b"");
        assert!(matches!(answer.status, 414 | 431), "{answer:?}");
    }
    let body = vec![b'+'; (1 << 20) + 1];
    let symbol = |body: &[u8]| client.ask("POST", "/debug/pprof/symbol", &[], body);
    assert_eq!(symbol(&body).status, 413);
    assert_eq!(symbol(&body[1..]).status, 200);
    server.shutdown();
}

#[test]
fn more_deltas_than_are_served_are_told_to_come_again() {
    let (server, client) = serve();
    let answers: Vec<_> = thread::scope(|scope| {
        let delta = || client.get("/debug/pprof/heap?seconds=2");
        let deltas: Vec<_> = (0..12).map(|_| scope.spawn(delta)).collect();
        // Profiles of the moment are served all the same.
        assert_eq!(client.get(HEAP).status, 200);
        deltas
            .into_iter()
            .map(|delta| delta.join().expect("an answer"))
            .collect()
    });
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 4);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").parse::<u64>().is_ok());
    }
    server.shutdown();
}

#[test]
fn more_connections_than_are_served_are_told_so() {
    let (server, client) = serve();
    let idle: Vec<TcpStream> = (0..64)
        .map(|_| client.connect().expect("it listens"))
        .collect();
    let answer = client.get(HEAP);
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
    drop(idle);
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.get(HEAP).status != 200 {
        assert!(Instant::now() < deadline, "places do not come back");
    }
    server.shutdown();
}

/// The places of deltas are free again long before their time is over.
#[test]
fn a_client_that_has_gone_ends_its_work() {
    let (server, client) = serve();
    let ask = |_| {
        let mut stream = client.connect().expect("it listens");
        let head = "GET /debug/pprof/heap?seconds=300 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("it reads");
        stream
    };
    let waiting: Vec<TcpStream> = (0..4).map(ask).collect();
    let delta = || client.get("/debug/pprof/heap?seconds=1").status;
    wait_until(|| delta() == 503);
    drop(waiting);
    wait_until(|| delta() == 200);
    server.shutdown();
}

#[test]
fn shutdown_ends_what_is_under_way() {
    let (server, client) = serve();
    let address = server.local_addr();
    thread::scope(|scope| {
        let waiting =
            scope.spawn(|| client.try_ask("GET", "/debug/pprof/heap?seconds=300", &[], b""));
        thread::sleep(Duration::from_millis(200));
        server.shutdown();
        waiting
            .join()
            .expect("no panic")
            .expect_err("nobody answered");
    });
    TcpStream::connect(address).expect_err("nobody listens");
}

#[test]
fn a_server_goes_on_when_its_handle_is_dropped() {
    let (server, client) = serve();
    drop(server);
    assert_eq!(client.get(HEAP).status, 200);
}

/// The core by itself: what it is told by, it answers by.
#[test]
fn work_ends_as_it_is_told() {
    let request = http(HEAP, "seconds=100");
    let gone = Cancellation::default();
    gone.cancel();
    let answer = Pprof::new().respond(&request, &gone);
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.body(), b"context canceled\n");

    let late = Cancellation::with_deadline(Instant::now() + Duration::from_millis(10));
    let answer = Pprof::new().respond(&request, &late);
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.body(), b"context deadline exceeded\n");
}

fn http(path: &str, query: &str) -> axum::http::Request<[u8; 0]> {
    let target = format!("{path}?{query}");
    axum::http::Request::get(target)
        .body([])
        .expect("it is one")
}

/// Connections that break in odd places leave the server as it was.
#[test]
fn broken_connections_do_no_harm() {
    let (server, client) = serve();
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /debug/pprof/ HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /debug/pprof/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut stream = client.connect().expect("it listens");
        stream.write_all(bytes).expect("it reads");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        if let Ok(answer) = client::read(&mut stream, false) {
            assert!(answer.status >= 400, "{answer:?}");
        }
    }
    assert_eq!(client.get(HEAP).status, 200);
    let address: SocketAddr = server.local_addr();
    server.shutdown();
    TcpStream::connect(address).expect_err("nobody listens");
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it does not come about");
        thread::sleep(Duration::from_millis(20));
    }
}
