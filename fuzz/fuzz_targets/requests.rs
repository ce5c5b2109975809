//! Garbage requests to `/debug/pprof`: targets, headers and bodies.
//!
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run requests -- -max_total_time=600

#![no_main]

use heapprof::http::{Cancellation, Pprof};
use http::{Method, Request, StatusCode};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const TOKEN: &str = "s3cret";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(request) = parse(data) else { return };
    // Profiles over a time are refused: nothing is to wait.
    let open = Pprof::new().max_seconds(0);
    let answer = open.respond(&request, &Cancellation::default());
    check(&request, &answer);

    let guarded = open.token(TOKEN).allow_host("debug.example");
    let answer = guarded.respond(&request, &Cancellation::default());
    check(&request, &answer);
    let text = data.to_ascii_lowercase();
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    if !has(TOKEN.as_bytes()) && !has(b"basic") {
        let status = answer.status();
        assert!(matches!(status.as_u16(), 401 | 403), "{status}");
    }
});

/// A method and a target, a line for each header, an empty one, and the body.
fn parse(data: &[u8]) -> Option<Request<Vec<u8>>> {
    let mut lines = data.split(|&byte| byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|&byte| byte == b' ')?;
    let mut request = Request::builder()
        .method(&first[..space])
        .uri(first.get(space + 1..)?);
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|&byte| byte == b':')?;
        request = request.header(&line[..colon], line.get(colon + 1..)?);
    }
    let body = lines.collect::<Vec<_>>().join(&b'\n');
    request.body(body).ok()
}

fn check(request: &Request<Vec<u8>>, answer: &http::Response<Vec<u8>>) {
    let status = answer.status();
    let known = [200, 303, 307, 400, 401, 403, 404, 405, 413, 500];
    assert!(known.contains(&status.as_u16()), "{status}");
    if request.method() == Method::HEAD {
        assert!(answer.body().is_empty());
    }
    if status == StatusCode::TEMPORARY_REDIRECT {
        if let Some(to) = answer.headers().get("location") {
            let to = to.as_bytes();
            assert!(to.starts_with(b"/debug/pprof/") || to.starts_with(b"pprof/"));
        }
        let brackets = answer.body().iter().filter(|&&byte| byte == b'<').count();
        assert!(brackets == 2 || answer.body().is_empty());
    } else {
        assert!(answer.headers().contains_key("x-content-type-options"));
    }
}
