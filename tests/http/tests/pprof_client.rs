//! The real `go tool pprof`, newest and older, against a live server.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use heapprof::http::Pprof;
use heapprof_end_to_end::reader::TopLine;
use heapprof_end_to_end::{Block, Reader};
use heapprof_http::Client;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

/// What every profile has to show: 64 blocks of 1,000 bytes.
#[inline(never)]
fn client_holds() -> Vec<Block> {
    let mut held = Vec::with_capacity(64);
    for _ in 0..64 {
        held.push(Block::new(black_box(1_000)));
    }
    held
}

const HELD: i64 = 64 * 1_000;

/// What grows while a profile is taken over a second.
#[inline(never)]
fn client_grows(held: &mut Vec<Block>) {
    held.push(Block::new(black_box(10_000)));
}

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    std::mem::forget(client_holds());
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    Client::new(server.local_addr())
});

fn of<'a>(top: &'a HashMap<String, TopLine>, name: &str) -> Option<&'a TopLine> {
    let mut lines = top.iter().filter(|(function, _)| function.ends_with(name));
    let line = lines.next().map(|(_, line)| line);
    assert!(lines.next().is_none(), "{name} is there twice");
    line
}

#[test]
fn top_shows_what_is_held() {
    for reader in Reader::both() {
        for route in ["heap", "allocs", "heap?gc=1"] {
            let url = CLIENT.url(&format!("/debug/pprof/{route}"));
            let top = reader.top("inuse_space", [&url]);
            let line = of(&top, "client_holds").unwrap_or_else(|| panic!("{route}"));
            // With the vector that lists them, and the time that bytes are of.
            assert!((HELD..HELD + 4_000).contains(&line.cumulative), "{line:?}");
        }
    }
}

#[test]
fn a_picture_is_drawn() {
    for reader in Reader::both() {
        let png = reader.bytes(["-png", &CLIENT.url("/debug/pprof/heap")]);
        assert!(png.starts_with(b"\x89PNG") && png.len() > 1_000);
    }
}

#[test]
fn a_delta_has_only_what_changed() {
    for reader in Reader::both() {
        let stop = AtomicBool::new(false);
        let mut held = Vec::new();
        let url = CLIENT.url("/debug/pprof/heap");
        let top = thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    client_grows(&mut held);
                    thread::sleep(Duration::from_millis(50));
                }
            });
            let top = reader.top("inuse_space", ["-seconds=1", &url]);
            stop.store(true, Ordering::Relaxed);
            top
        });
        assert!(of(&top, "client_holds").is_none());
        let grown = of(&top, "client_grows").expect("it grew").cumulative;
        assert!(grown >= 10_000, "{grown}");
    }
}

/// The text names no functions that readers look at: they ask the server.
#[test]
fn symbols_are_asked_for() {
    for reader in Reader::both() {
        let text = CLIENT.url("/debug/pprof/heap?debug=1");
        let top = reader.top("inuse_space", ["-symbolize=remote", &text]);
        let line = of(&top, "client_holds").expect("the name was asked for");
        assert!((HELD..HELD + 4_000).contains(&line.cumulative), "{line:?}");
        // In place of those that the profile has.
        let heap = CLIENT.url("/debug/pprof/heap");
        let top = reader.top("inuse_space", ["-symbolize=force:remote", &heap]);
        assert!(of(&top, "client_holds").is_some());
    }
}

/// Text and protobuf say the same, whatever the interval was meanwhile.
#[test]
fn text_is_scaled_to_the_same_figures() {
    LazyLock::force(&CLIENT);
    for interval in [1, 4096, 0, 1] {
        heapprof::set_sample_interval(interval).expect("the allocator is registered");
        for reader in Reader::both() {
            let [profile, text] = ["heap", "heap?debug=1"].map(|route| {
                let url = CLIENT.url(&format!("/debug/pprof/{route}"));
                let top = reader.top("inuse_space", ["-symbolize=remote", &url]);
                of(&top, "client_holds").expect("it is held").cumulative as f64
            });
            let error = (text / profile - 1.0).abs();
            assert!(error < 0.1, "interval {interval}: {text} and not {profile}");
        }
    }
}

#[test]
fn a_token_is_sent_as_password() {
    let server = Pprof::new()
        .token("s3cret")
        .serve("127.0.0.1:0")
        .expect("a port is free");
    let address = server.local_addr();
    for reader in Reader::both() {
        let url = format!("http://x:s3cret@{address}/debug/pprof/heap");
        let top = reader.top("inuse_space", [url]);
        assert!(!top.is_empty());
    }
    server.shutdown();
}

/// Errors reach the user of the tool.
#[test]
fn the_tool_shows_what_the_server_says() {
    let pprof = std::env::var_os("PPROF").expect("cargo xtask test sets PPROF");
    for (route, said) in [
        ("nothing", "Unknown profile"),
        ("heap?seconds=100000", "at most 300 are served"),
    ] {
        let output = Command::new(&pprof)
            .args(["-top", &CLIENT.url(&format!("/debug/pprof/{route}"))])
            .output()
            .expect("pprof runs");
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && printed.contains(said),
            "{printed}"
        );
    }
}

/// The tool's own page, with the profile that it fetched.
#[test]
fn the_web_interface_shows_it() {
    for (variable, pages) in [
        ("PPROF", &["/ui/flamegraph", "/ui/top", "/ui/graph"][..]),
        ("PPROF_OLD", &["/ui/top", "/ui/"]),
    ] {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            listener.local_addr().expect("it is bound").port()
        };
        let pprof = std::env::var_os(variable).expect("cargo xtask test sets it");
        let child = Command::new(pprof)
            .arg(format!("-http=127.0.0.1:{port}"))
            .args(["-no_browser", &CLIENT.url("/debug/pprof/heap")])
            .env("PPROF_TMPDIR", std::env::temp_dir())
            .stderr(Stdio::null())
            .spawn()
            .expect("pprof runs");
        let _ends = Ends(child);
        let client = Client::new(([127, 0, 0, 1], port).into());
        for page in pages {
            let text = wait_for(&client, page);
            assert!(text.contains("client_holds"), "{variable} {page}");
        }
    }
}

/// Go's server sends in chunks: taken as it comes.
fn wait_for(client: &Client, page: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = get_raw(client, page);
        match page {
            Some(page) if page.starts_with("HTTP/1.0 200") => return page,
            _ => assert!(Instant::now() < deadline, "{page:?}"),
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn get_raw(client: &Client, target: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = client.connect().ok()?;
    write!(stream, "GET {target} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Ends a child whatever becomes of the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
