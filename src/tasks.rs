#![forbid(unsafe_code)]
//! The threads of this process, as the kernel lists them.

use std::fs;
use std::io;

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) id: i32,
    /// At most 15 bytes of it.
    pub(crate) name: String,
    /// In the kernel's words: `running`, `sleeping`, `disk sleep`, `stopped`.
    pub(crate) state: String,
    /// A bit for each signal, from 1.
    blocked_signals: u64,
}

/// All threads there are, the first one first. Those that end meanwhile are left out.
///
/// # Errors
/// Where there is no `/proc`, or a sandbox denies it.
pub(crate) fn list() -> io::Result<Vec<Task>> {
    let unreadable = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot read /proc/self/task: {error}"),
        )
    };
    let mut tasks: Vec<Task> = fs::read_dir("/proc/self/task")
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect();
    tasks.sort_by_key(|task| task.id);
    Ok(tasks)
}

/// The name of a thread, if it is still there.
#[cfg(all(feature = "cpu", interrupts))]
pub(crate) fn name(id: i32) -> Option<String> {
    let name = fs::read(format!("/proc/self/task/{id}/comm")).ok()?;
    Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
}

fn read(id: i32) -> Option<Task> {
    let status = fs::read(format!("/proc/self/task/{id}/status")).ok()?;
    parse(id, &String::from_utf8_lossy(&status))
}

fn parse(id: i32, status: &str) -> Option<Task> {
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))
    };
    let state = field("State")?;
    let word = state
        .split_once('(')
        .map_or(state, |(_, word)| word.trim_end_matches(')'));
    Some(Task {
        id,
        name: field("Name")?.to_owned(),
        state: word.to_owned(),
        blocked_signals: u64::from_str_radix(field("SigBlk")?, 16).ok()?,
    })
}

#[cfg(all(feature = "threads", interrupts))]
impl Task {
    /// Will it not see this signal?
    pub(crate) fn blocks(&self, signal: i32) -> bool {
        self.blocked_signals & (1 << (signal - 1)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_read_as_the_kernel_writes_it() {
        let status = "Name:\ta (b) c\nUmask:\t0022\nState:\tD (disk sleep)\nSigPnd:\t0\nSigBlk:\t0000000000000200\n";
        let task = parse(7, status).unwrap();
        assert_eq!(
            (task.id, &*task.name, &*task.state),
            (7, "a (b) c", "disk sleep")
        );
        assert_eq!(task.blocked_signals, 1 << 9);
        assert_eq!(parse(7, "Name:\tx\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_thread_runs_and_has_its_name() {
        let name = "by this name";
        let thread = std::thread::Builder::new().name(name.into());
        let tasks = thread.spawn(|| list().unwrap()).unwrap().join().unwrap();
        let this = tasks.iter().find(|task| task.name == name).unwrap();
        assert_eq!(this.state, "running");
    }
}
