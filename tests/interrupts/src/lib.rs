//! What the tests of signals share: asking for profiles, and threads to be found
//! in them.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use heapprof::http::{Cancellation, Pprof};
use heapprof_end_to_end::Profile;
use heapprof_hostile::ended::within;

/// The status and the body of an answer.
pub fn get(target: &str) -> (u16, Vec<u8>) {
    get_until(target, &Cancellation::default())
}

/// The same, unless nobody waits for it any longer.
pub fn get_until(target: &str, cancellation: &Cancellation) -> (u16, Vec<u8>) {
    let request = http::Request::get(format!("/debug/pprof/{target}"));
    let request = request.body([]).expect("a valid target");
    let answer = Pprof::new().respond(&request, cancellation);
    (answer.status().as_u16(), answer.into_body())
}

/// The text of an answer that has to be there.
pub fn text(target: &str) -> String {
    let (status, body) = get(target);
    let body = String::from_utf8(body).expect("text");
    assert_eq!(status, 200, "{body}");
    body
}

/// A profile that has to be there, and its bytes.
pub fn profile(target: &str) -> (Profile, Vec<u8>) {
    let (status, body) = get(target);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    (Profile::decode(&body), body)
}

/// A thread that waits in `read(2)` until it is told to end.
#[derive(Debug)]
pub struct ThreadInRead {
    thread: JoinHandle<u8>,
    pipe: PipeWriter,
}

impl ThreadInRead {
    /// Starts one. Names have at most 15 bytes.
    ///
    /// # Panics
    /// If there are no more threads or pipes.
    pub fn start(name: &str) -> Self {
        let (reader, pipe) = std::io::pipe().expect("a pipe");
        let body = move || wait_in_read(reader);
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(body).expect("a thread");
        wait_for(|| state_of(name).as_deref() == Some("S"));
        Self { thread, pipe }
    }

    /// Ends it: what it read is what was written.
    ///
    /// # Panics
    /// If it is not.
    pub fn end(mut self) {
        self.pipe.write_all(&[42]).expect("the pipe is open");
        assert_eq!(self.thread.join().expect("it lives"), 42);
    }
}

/// A function to be found by its name.
#[inline(never)]
fn wait_in_read(mut reader: PipeReader) -> u8 {
    let mut byte = [0];
    // `read` and not `read_exact`, which would try again.
    assert_eq!(reader.read(&mut byte).expect("no EINTR"), 1);
    byte[0]
}

/// Waits until it is so.
///
/// # Panics
/// If it is not for a minute.
pub fn wait_for(mut is_so: impl FnMut() -> bool) {
    let came = within(Duration::from_secs(60), || is_so().then_some(()));
    assert!(came.is_some(), "it never came");
}

/// The state of the thread of this name, as the kernel abbreviates it.
fn state_of(name: &str) -> Option<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    statuses
        .filter_map(|status| {
            let (head, state) = status.rsplit_once(") ")?;
            let (_, its_name) = head.split_once('(')?;
            (its_name == name).then(|| state[..1].to_owned())
        })
        .next()
}
