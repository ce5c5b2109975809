#![allow(unsafe_code, reason = "names of functions are chosen")]
//! A program with names that a page must not take for its own, which serves its
//! profiles until its input ends.

use std::hint::black_box;
use std::io::Read;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(4096);

/// What a page must show as it is, in the name of a thread.
const HOSTILE: &str = "<b>'\"&é";

fn main() {
    let server = heapprof::http::serve("127.0.0.1:0").expect("a port is free");
    println!("http://{}/debug/pprof/", server.local_addr());
    let builder = thread::Builder::new().name(HOSTILE.into());
    builder.spawn(breathe).expect("a thread can be had");

    let kept = [hostile_tag(200_000), hostile_quotes(100_000)];
    let largest = größte_日本::<'<'>(400_000);
    black_box((&kept, &largest));

    let mut nothing = Vec::new();
    let _ended = std::io::stdin().read_to_end(&mut nothing);
}

/// Memory that grows and shrinks, so that a chart has something to show.
fn breathe() {
    loop {
        let breath: Vec<Vec<u8>> = (0..2000)
            .map(|_| {
                thread::sleep(Duration::from_micros(500));
                vec![1; 1024]
            })
            .collect();
        black_box(breath);
    }
}

#[inline(never)]
fn größte_日本<const C: char>(size: usize) -> Vec<u8> {
    block(size)
}

/// Names as another language, or somebody with bad intent, may give them.
#[inline(never)]
#[unsafe(export_name = "<script>alert(1)</script>;<img src=x onerror=alert(2)>")]
fn hostile_tag(size: usize) -> Vec<u8> {
    block(size)
}

#[inline(never)]
#[unsafe(export_name = "\"'`${alert(3)}&lt;\u{202e}é")]
fn hostile_quotes(size: usize) -> Vec<u8> {
    block(size)
}

/// In its caller, which has something left to do when it is allocated.
#[inline(always)]
fn block(size: usize) -> Vec<u8> {
    let block = vec![7; size];
    black_box(&block);
    block
}
