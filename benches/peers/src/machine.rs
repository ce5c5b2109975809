//! Where the figures come from.

use std::fs;
use std::process::Command;

use crate::root;

/// A line each.
pub(crate) fn describe() -> Vec<String> {
    let mut lines = vec![
        format!("{} processors: {}", processors(), processor()),
        format!(
            "Linux {}, {}",
            read("/proc/sys/kernel/osrelease"),
            distribution()
        ),
        command("rustc", &["-V"]),
        command("ldd", &["--version"])
            .lines()
            .next()
            .unwrap_or("")
            .to_owned(),
    ];
    lines.retain(|line| !line.is_empty());
    lines
}

/// The version of a package, as the lock file beside `folder` has it.
pub(crate) fn version_of(package: &str, folder: &str) -> Option<String> {
    let lock = fs::read_to_string(root().join(folder).join("Cargo.lock")).ok()?;
    let entry = format!("name = \"{package}\"\nversion = \"");
    let (_, after) = lock.split_once(&entry)?;
    Some(after.split_once('"')?.0.to_owned())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

fn processor() -> String {
    let info = read("/proc/cpuinfo");
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown", |(_, name)| name).to_owned()
}

fn distribution() -> String {
    let release = read("/etc/os-release");
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn command(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().trim().to_owned()
}
