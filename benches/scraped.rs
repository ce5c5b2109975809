//! What it costs to be scraped for ever, as Parca, Pyroscope and Grafana Alloy do.
//!
//!     cargo bench --bench scraped --features http              # ten minutes
//!     cargo bench --bench scraped --features http -- 1         # one
//!
//! A program with 3,000 stacks on record does nothing but serve `/debug/pprof`. Every
//! ten seconds it is asked for `allocs`, `block`, `goroutine` and `mutex`. Its CPU
//! time from the second scrape on is what scraping costs: the first one, which looks
//! every symbol up, is shown beside it. So is what is resident, from minute to minute.

mod ways;

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ways::descend;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const DEFAULT_MINUTES: u64 = 10;
const EVERY: Duration = Duration::from_secs(10);
const ROUTES: [&str; 4] = ["allocs", "block", "goroutine", "mutex"];

const STACKS: usize = 3_000;
const CALLS: usize = 20;

/// Of one CPU, beyond the first scrape.
const ALLOWED_PERCENT: f64 = 0.5;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|arg| arg == "child") {
        return serve();
    }
    let minutes = args.iter().find_map(|arg| arg.parse().ok());
    let program = Scraped::start()?;
    let before = program.usage()?;
    let bytes = program.scrape()?;
    let first = program.usage()?;
    println!("{STACKS} stacks, {bytes} bytes a scrape of {ROUTES:?}");
    println!(
        "first scrape: {:.0} ms of CPU time, {} KiB more resident",
        (first.cpu - before.cpu).as_secs_f64() * 1e3,
        first.resident_kib - before.resident_kib
    );
    println!(
        "{:>8}{:>16}{:>14}{:>16}",
        "minutes", "scrapes", "CPU", "resident KiB"
    );
    let begin = Instant::now();
    let mut scrapes = 0;
    for minute in 1..=minutes.unwrap_or(DEFAULT_MINUTES) {
        while begin.elapsed() < Duration::from_secs(60 * minute) {
            thread::sleep(EVERY);
            program.scrape()?;
            scrapes += 1;
        }
        let now = program.usage()?;
        let percent = (now.cpu - first.cpu).as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0;
        let more = now.resident_kib - first.resident_kib;
        println!("{minute:>8}{scrapes:>16}{percent:>12.3} %{more:>+16}");
    }
    println!("Allowed: {ALLOWED_PERCENT} %, and no growth.");
    Ok(())
}

/// A heap with many stacks, and a server.
fn serve() -> Result<()> {
    let mut blocks = Vec::with_capacity(STACKS);
    heapprof::set_sample_interval(1)?;
    for number in 0..STACKS {
        descend(CALLS, number, &mut || blocks.push(block()));
    }
    heapprof::set_sample_interval(512 * 1024)?;
    let server = heapprof::http::serve("127.0.0.1:0")?;
    println!("{}", server.local_addr());
    loop {
        thread::park();
        black_box(&blocks);
    }
}

#[inline(never)]
fn block() -> Box<[u8; 64]> {
    black_box(Box::new([1; 64]))
}

/// The child.
struct Scraped {
    process: Child,
    address: String,
}

#[derive(Clone, Copy)]
struct Usage {
    cpu: Duration,
    resident_kib: i64,
}

impl Scraped {
    fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("child")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut printed = process.stdout.take().ok_or("no output")?;
        let mut address = String::new();
        let mut byte = [0];
        while printed.read(&mut byte)? == 1 && byte != *b"\n" {
            address.push(byte[0].into());
        }
        Ok(Self { process, address })
    }

    /// The bytes of all answers.
    fn scrape(&self) -> Result<usize> {
        let mut bytes = 0;
        for route in ROUTES {
            let mut stream = TcpStream::connect(&self.address)?;
            let host = &self.address;
            write!(
                stream,
                "GET /debug/pprof/{route} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            )?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            if !answer.starts_with(b"HTTP/1.1 200 ") {
                return Err(String::from_utf8_lossy(&answer).into());
            }
            bytes += answer.len();
        }
        // What a connection and a thread leave behind is theirs to end.
        thread::sleep(Duration::from_millis(600));
        Ok(bytes)
    }

    fn usage(&self) -> Result<Usage> {
        let process = format!("/proc/{}", self.process.id());
        // Of all its threads, those that have ended too.
        let stat = fs::read_to_string(format!("{process}/stat"))?;
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let status = fs::read_to_string(format!("{process}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|line| line.split_whitespace().next());
        Ok(Usage {
            // A hundred a second, whatever the kernel's own are.
            cpu: Duration::from_millis(ticks * 10),
            resident_kib: kib.ok_or("the kernel does not say")?.parse()?,
        })
    }
}

impl Drop for Scraped {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
