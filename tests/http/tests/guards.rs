//! Who is answered, and who is not.

use heapprof::Error;
use heapprof::http::{Pprof, Server};
use heapprof_end_to_end::Profile;
use heapprof_http::{Answer, Client};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

fn serve(pprof: Pprof) -> (Server, Client) {
    let server = pprof.serve("127.0.0.1:0").expect("a port is free");
    let client = Client::new(server.local_addr());
    (server, client)
}

fn with(client: &Client, headers: &[(&str, &str)]) -> Answer {
    client.ask("GET", "/debug/pprof/heap", headers, b"")
}

#[test]
fn only_loopback_addresses_are_listened_on_unless_told_by_name() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let error = heapprof::http::serve(address).expect_err("others can reach it");
        assert!(matches!(error, Error::BeyondLoopback(_)), "{error}");
        assert!(error.to_string().contains("listen_beyond_loopback()"));
    }
    let server = Pprof::new()
        .listen_beyond_loopback()
        .serve("0.0.0.0:0")
        .expect("it is meant");
    let address = (std::net::Ipv4Addr::LOCALHOST, server.local_addr().port()).into();
    // Whatever its name is.
    let answer = with(&Client::new(address), &[("Host", "service.example")]);
    assert_eq!(answer.status, 200);
    server.shutdown();
}

#[test]
fn an_address_in_use_is_an_error() {
    let (server, _) = serve(Pprof::new());
    let error = heapprof::http::serve(server.local_addr()).expect_err("it is in use");
    assert!(matches!(error, Error::Serve(_)), "{error}");
    let error = heapprof::http::serve("no port").expect_err("it is none");
    assert!(matches!(error, Error::Serve(_)), "{error}");
    server.shutdown();
}

#[test]
fn names_that_are_not_this_machines_are_refused() {
    let (server, client) = serve(Pprof::new().allow_host("debug.example"));
    let port = server.local_addr().port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("localhost".into(), 200),
        ("debug.example:80".into(), 200),
        (format!("evil.example:{port}"), 403),
        (format!("10.1.2.3:{port}"), 403),
        ("".into(), 403),
    ] {
        let answer = with(&client, &[("Host", &host)]);
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(
            answer.header("x-go-pprof"),
            if status == 403 { "1" } else { "" }
        );
    }
    let target = "http://evil.example/debug/pprof/heap";
    assert_eq!(client.ask("GET", target, &[], b"").status, 403);
    server.shutdown();
}

#[test]
fn pages_of_others_are_refused() {
    let (server, client) = serve(Pprof::new());
    let ours = client.url("");
    for (headers, status) in [
        (&[("Sec-Fetch-Site", "none")][..], 200),
        (
            &[("Sec-Fetch-Site", "same-origin"), ("Origin", &*ours)],
            200,
        ),
        (&[("Origin", &*ours)], 200),
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
        (&[("Origin", "http://evil.example")], 403),
        (&[("Origin", "null")], 403),
    ] {
        assert_eq!(with(&client, headers).status, status, "{headers:?}");
    }
    server.shutdown();
}

#[test]
fn a_token_opens_every_route_and_nothing_else_does() {
    let (server, client) = serve(Pprof::new().token("s3cret"));
    let bearer = [("Authorization", "Bearer s3cret")];
    // x:s3cret
    let basic = [("Authorization", "Basic eDpzM2NyZXQ=")];
    Profile::decode(&with(&client, &bearer).body);
    Profile::decode(&with(&client, &basic).body);
    for route in [
        "",
        "/",
        "/heap",
        "/cmdline",
        "/symbol",
        "/ui/style.css",
        "/ui/now",
        "/ui/flamegraph",
        "/ui/snapshots",
        "/nothing",
    ] {
        let target = format!("/debug/pprof{route}");
        let answer = client.get(&target);
        assert_eq!(answer.status, 401, "{target}");
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Basic realm=")
        );
        // Queries are written down everywhere.
        let answer = client.get(&format!("{target}?token=s3cret"));
        assert_eq!(answer.status, 401, "{target}");
    }
    for wrong in ["Bearer S3cret", "Bearer", "Basic eDp5", "Basic s3cret"] {
        assert_eq!(
            with(&client, &[("Authorization", wrong)]).status,
            401,
            "{wrong}"
        );
    }
    server.shutdown();
}

#[test]
fn the_command_line_can_be_kept_back() {
    let (server, client) = serve(Pprof::new().show_command_line(false));
    let answer = client.get("/debug/pprof/cmdline");
    assert_eq!((answer.status, answer.text()), (404, "Unknown profile\n"));
    assert!(!client.get("/debug/pprof/").text().contains("cmdline"));
    server.shutdown();

    let (server, client) = serve(Pprof::new());
    let arguments: Vec<String> = std::env::args().collect();
    assert_eq!(
        client.get("/debug/pprof/cmdline").text(),
        arguments.join("\0")
    );
    server.shutdown();
}

#[test]
fn seconds_are_capped_and_the_cap_is_said() {
    let (server, client) = serve(Pprof::new().max_seconds(2));
    let answer = client.get("/debug/pprof/heap?seconds=3");
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("at most 2 are served"),
        "{}",
        answer.text()
    );
    assert_eq!(client.get("/debug/pprof/heap?seconds=1").status, 200);
    server.shutdown();
}
