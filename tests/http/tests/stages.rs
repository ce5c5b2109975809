//! Stages over HTTP: marked by request, listed as a table, read as profiles.

use std::hint::black_box;

use heapprof::http::Pprof;
use heapprof_end_to_end::{Block, Reader};
use heapprof_http::{Answer, Client};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

#[inline(never)]
fn kept() -> Block {
    Block::new(black_box(1_000))
}

fn mark(client: &Client, form: &str) -> Answer {
    client.ask("POST", "/debug/pprof/stages", &[], form.as_bytes())
}

/// Bytes in use by `kept`, as both readers fetch and show them.
fn kept_bytes(client: &Client, query: &str) -> i64 {
    let url = client.url(&format!("/debug/pprof/stages?{query}"));
    let [new, old] = Reader::both().map(|reader| {
        let top = reader.top("inuse_space", [&url]);
        top.get("stages::kept").map_or(0, |line| line.cumulative)
    });
    assert_eq!(new, old);
    new
}

#[test]
fn stages_are_marked_listed_and_compared_over_http() {
    let server = Pprof::new()
        .accept_stages()
        .serve("127.0.0.1:0")
        .expect("a port is free");
    let client = Client::new(server.local_addr());

    let answer = mark(&client, "name=started");
    assert_eq!((answer.status, answer.header("location")), (303, "stages"));
    assert_eq!(answer.text(), "stage 1: started\n");
    let held: Vec<Block> = (0..7).map(|_| kept()).collect();
    assert_eq!(mark(&client, "name=%3Cb%3E+%22seven%22").status, 303);
    drop(held);
    assert_eq!(mark(&client, "name=dropped").status, 303);
    assert_eq!(mark(&client, "title=none").status, 400);

    let bytes = ["stage=1", "stage=2", "stage=3"].map(|query| kept_bytes(&client, query));
    assert_eq!(bytes, [0, 7_000, 0]);
    let changes = ["stage=2&since=1", "stage=3&since=2", "stage=3&since=1"];
    let bytes = changes.map(|query| kept_bytes(&client, query));
    assert_eq!(bytes, [7_000, -7_000, 0]);

    let get = |query: &str| client.get(&format!("/debug/pprof/stages{query}"));
    for (query, status) in [
        ("?stage=4", 404),
        ("?stage=2&since=9", 404),
        ("?stage=1&since=2", 400),
        ("?stage=1&since=1", 400),
    ] {
        let answer = get(query);
        assert_eq!((answer.status, answer.header("x-go-pprof")), (status, "1"));
    }
    assert_eq!(
        get("?stage=2&since=1").header("content-disposition"),
        "attachment; filename=\"stage-2-since-1.pb.gz\""
    );
    let text = get("?stage=2&debug=1");
    assert!(text.text().starts_with("heap profile: ") && text.text().contains("stages::kept"));

    // The same list in every form; a name is text in each of them.
    let page = get("");
    assert!(page.text().contains("&lt;b&gt; &quot;seven&quot;") && !page.text().contains("<b>"));
    assert!(page.text().contains("href=\"?stage=2\""));
    assert!(page.text().contains("href=\"ui/flamegraph?stage=2\""));
    let folded = |query: &str| {
        let answer = client.get(&format!("/debug/pprof/ui/folded?{query}"));
        let lines = answer.text().lines().map(str::to_owned);
        lines.filter(|line| line.contains("stages::kept")).collect()
    };
    let ends_with = |lines: Vec<String>, figure: &str| {
        assert!(
            matches!(&lines[..], [line] if line.ends_with(figure)),
            "{lines:?}"
        );
    };
    ends_with(folded("stage=2"), " 7000");
    ends_with(folded("si=inuse_objects&stage=2&since=1"), " 7");
    assert_eq!(folded("stage=1"), [""; 0]);
    for page in ["flamegraph", "top"] {
        let shown = client.get(&format!("/debug/pprof/ui/{page}?stage=2&since=1"));
        assert!(shown.text().contains("In use, change from stage 1 to 2"));
    }
    for (query, status) in [("stage=9", 404), ("stage=x", 404), ("stage=1&since=2", 400)] {
        assert_eq!(
            client.get(&format!("/debug/pprof/ui/top?{query}")).status,
            status
        );
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"));
    assert_eq!(get("?debug=1").text().lines().count(), 4);
    assert_eq!(get("?format=markdown").text().lines().count(), 5);
    let csv = get("?format=csv");
    assert!(csv.text().contains("\n2,\"<b> \"\"seven\"\"\","));

    server.shutdown();
}

#[test]
fn nobody_marks_stages_unless_the_program_lets_them() {
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    let client = Client::new(server.local_addr());
    let answer = mark(&client, "name=a");
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
    server.shutdown();

    let server = Pprof::new()
        .accept_stages()
        .token("secret")
        .serve("127.0.0.1:0")
        .expect("a port is free");
    let client = Client::new(server.local_addr());
    assert_eq!(mark(&client, "name=a").status, 401);
    let foreign = [
        ("Authorization", "Bearer secret"),
        ("Origin", "http://evil.example"),
    ];
    let answer = client.ask("POST", "/debug/pprof/stages", &foreign, b"name=a");
    assert_eq!(answer.status, 403);
    server.shutdown();
    assert!(heapprof::stages().iter().all(|stage| stage.name != "a"));
}
