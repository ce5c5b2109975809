//! `/debug/pprof/metrics`, read by Prometheus' own parser for Python, which is strict.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use heapprof::http::{Cancellation, Pprof};
use heapprof::{Snapshot, memory};
use heapprof_memory::{MIB, blocks};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1 << 12);

/// Prints `family type sample value` for each sample.
const PARSE: &str = r#"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family.name
    for sample in family.samples:
        labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
        print(family.type, sample.name + ("{" + labels.replace(" ", "_") + "}" if labels else ""), sample.value)
"#;

/// A Python that has `prometheus_client`: `cargo xtask test` says which.
fn parser() -> Command {
    let python = std::env::var_os("PROMETHEUS_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command.args(["-c", PARSE]);
    command
}

/// Type and value of each sample.
fn parsed(text: &[u8]) -> BTreeMap<String, (String, f64)> {
    let mut child = parser()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python is installed by `cargo xtask test`");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(text);
    assert!(output.status.success(), "not understood:\n{text}");
    let lines = String::from_utf8(output.stdout).expect("it prints text");
    let samples = lines.lines().map(|line| {
        let mut fields = line.split(' ').map(str::to_owned);
        let mut field = || fields.next().expect("three fields");
        let (kind, name, value) = (field(), field(), field());
        (name, (kind, value.parse().expect("a number")))
    });
    samples.collect()
}

#[test]
fn prometheus_understands_every_figure() {
    let held = blocks(10_000, 4_000);
    let request = http::Request::get("/debug/pprof/metrics").body([]);
    let request = request.expect("it is well formed");
    let response = Pprof::new().respond(&request, &Cancellation::default());
    assert_eq!(response.status(), 200);
    let kind = response.headers()["content-type"].to_str().expect("ASCII");
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"));

    let samples = parsed(response.body());
    println!("{samples:#?}");
    let stats = Snapshot::take().expect("registered").stats().clone();
    let memory = memory().expect("registered");
    let process = memory.process.as_ref().expect("there is a /proc");
    let close = |name: &str, kind: &str, expected: u64| {
        let (found, value) = samples.get(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(found, kind, "{name}");
        let off = (value - expected as f64).abs();
        assert!(off < 8.0 * MIB as f64, "{name}: {value}, not {expected}");
    };
    close("heapprof_in_use_bytes", "gauge", 40_000_000);
    close(
        "heapprof_allocated_bytes_total",
        "counter",
        stats.allocated.bytes as u64,
    );
    close("heapprof_samples_total", "counter", stats.samples);
    close("heapprof_lost_samples_total", "counter", 0);
    close("heapprof_sample_interval_bytes", "gauge", 1 << 12);
    close("heapprof_own_memory_bytes", "gauge", stats.own_bytes);
    close("heapprof_own_memory_limit_bytes", "gauge", 256 * MIB);
    close(
        "heapprof_process_resident_bytes",
        "gauge",
        process.resident_bytes,
    );
    let allocator = memory.allocator.as_ref().expect("glibc is below");
    close(
        "heapprof_allocator_allocated_bytes{allocator=glibc}",
        "gauge",
        allocator.allocated_bytes.expect("glibc tells it"),
    );
    let limit = memory.nearest_limit.as_ref().expect("a machine has one");
    let name = limit.name.replace(' ', "_");
    close(
        &format!("heapprof_nearest_limit_bytes{{limit={name}}}"),
        "gauge",
        limit.limit_bytes,
    );
    drop(held);
}
