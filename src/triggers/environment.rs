//! `HEAPPROF_DUMP`, for programs that know nothing of triggers: read before
//! `main`, strictly. What is wrong with it is said once on stderr, and then there
//! are no dumps.
//!
//! A thread that runs before `main` is nothing the loader forbids: it begins when
//! everything that the program is linked with has been set up, and waits for the
//! loader if it asks for something earlier. What it does cost is that the
//! program never is the only thread of its process, so it is started only for what
//! needs it: not for a dump at exit.

use std::fs;
use std::num::NonZeroUsize;
use std::str;

use super::builder::{TriggersBuilder, triggers};
use super::dump::say;
use super::steps::{Threshold, Unit};
use crate::amounts::{number, size, time};
use crate::record::environment::is_secure;
use crate::record::thread;
use crate::snapshot::ensure_registered;

const NAME: &[u8] = b"HEAPPROF_DUMP";

/// Signals that a program can do without, by the names that `kill` knows.
const SIGNALS: [(&str, i32); 8] = [
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("HUP", libc::SIGHUP),
    ("QUIT", libc::SIGQUIT),
    ("URG", libc::SIGURG),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
];

#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = {
    extern "C" fn at_start() {
        let _busy = thread::busy();
        // An allocation: the wrapper, if it is registered, is asked at least once.
        drop(std::hint::black_box(Box::new(0_u8)));
        if ensure_registered().is_err() || is_secure() {
            return;
        }
        let environment = fs::read("/proc/self/environ").unwrap_or_default();
        let Some(value) = find(&environment) else {
            return;
        };
        let started = parse(value).and_then(|builder| {
            let started = builder.start();
            started.map_err(|error| error.to_string())
        });
        if let Err(problem) = started {
            say(&format!(
                "HEAPPROF_DUMP={} is of no effect: {problem}",
                String::from_utf8_lossy(value).escape_debug()
            ));
        }
    }

    at_start
};

/// The value of the first `NAME=value`.
pub(super) fn find(environment: &[u8]) -> Option<&[u8]> {
    environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(NAME)?.strip_prefix(b"="))
}

/// What a value asks for, or what is wrong with it.
pub(super) fn parse(value: &[u8]) -> Result<TriggersBuilder, String> {
    let value = str::from_utf8(value).map_err(|_| "it is no UTF-8".to_owned())?;
    let mut builder = triggers();
    let mut seen = Vec::new();
    for item in value.split(',') {
        let (key, value) = match item.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (item, None),
        };
        if seen.contains(&key) {
            return Err(format!("{key} is there twice"));
        }
        seen.push(key);
        builder = with(builder, key, value).ok_or_else(|| problem(item, key))?;
    }
    Ok(builder)
}

/// The builder with one more item; `None` if it is none.
fn with(builder: TriggersBuilder, key: &str, value: Option<&str>) -> Option<TriggersBuilder> {
    Some(match (key, value) {
        ("exit", None) => builder.at_exit(),
        ("signal", Some(value)) => builder.on_signal(signal(value)?),
        ("every", Some(value)) => builder.every(time(value)?),
        ("threshold", Some(value)) => builder.on_resident(threshold(value)?),
        ("in_use", Some(value)) => builder.on_in_use(threshold(value)?),
        ("dir", Some(value)) if !value.is_empty() => builder.folder(value),
        ("keep", Some(value)) => builder.keep_files(NonZeroUsize::new(number(value)?)?),
        ("keep_bytes", Some(value)) => builder.keep_bytes(size(value)?),
        _ => return None,
    })
}

fn problem(item: &str, key: &str) -> String {
    let wanted = match key {
        "exit" => "nothing after it",
        "signal" => "one of USR1, USR2, HUP, QUIT, URG, WINCH, IO, PWR",
        "every" => "a time such as 10m (units: ms, s, m, h)",
        "threshold" | "in_use" => "an amount such as 80% or 2GiB, and perhaps a step: 80%+5%",
        "dir" => "a folder",
        "keep" => "a number of files from 1 on",
        "keep_bytes" => "a size such as 256MiB (units: KiB, MiB, GiB, TiB)",
        _ => {
            return format!(
                "there is no {item:?}; known are exit, signal=, every=, threshold=, in_use=, dir=, \
                 keep=, keep_bytes="
            );
        }
    };
    format!("{item:?} is wrong, {key} takes {wanted}")
}

fn signal(name: &str) -> Option<i32> {
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    known.map(|(_, signal)| *signal)
}

/// `80%`, `80%+5%`, `2GiB`, `2GiB+256MiB`.
fn threshold(text: &str) -> Option<Threshold> {
    let (at, step) = match text.split_once('+') {
        Some((at, step)) => (at, Some(step)),
        None => (text, None),
    };
    let threshold = match at.strip_suffix('%') {
        Some(percent) => Threshold::percent(number(percent)?),
        None => Threshold::bytes(size(at)?),
    };
    let step = match (threshold.unit, step) {
        (_, None) => return Some(threshold),
        (Unit::Percent, Some(step)) => number(step.strip_suffix('%')?)?,
        (Unit::Bytes, Some(step)) => size(step)?,
    };
    Some(threshold.step(step))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::triggers::builder::When;

    #[test]
    fn a_whole_value_is_understood() {
        let text = b"exit,signal=USR2,threshold=80%+2%,in_use=3GiB,every=10m,dir=/a b/c=d,keep=3,\
            keep_bytes=5MiB";
        let builder = parse(text).unwrap();
        let expected = When {
            at_exit: true,
            signal: Some(libc::SIGUSR2),
            every: Some(Duration::from_secs(600)),
            resident: Some(Threshold::percent(80).step(2)),
            in_use: Some(Threshold::bytes(3 << 30)),
            ..triggers().when
        };
        assert_eq!(builder.when, expected);
        assert_eq!(builder.folder.to_str(), Some("/a b/c=d"));
        assert_eq!((builder.keep_files.get(), builder.keep_bytes), (3, 5 << 20));
    }

    #[test]
    fn amounts() {
        assert_eq!(threshold("5+1"), Some(Threshold::bytes(5).step(1)));
        assert_eq!(
            threshold("1KiB+1MiB"),
            Some(Threshold::bytes(1 << 10).step(1 << 20))
        );
        for text in [
            "", "%", "80%+", "80%+5", "80+5%", "256%", "1 GiB", "1gb", "-1", "+1", "1+1+1",
        ] {
            assert_eq!(threshold(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("", "there is no \"\""),
            ("exit,", "there is no \"\""),
            ("exit=1", "\"exit=1\""),
            ("Exit", "\"Exit\""),
            ("signal", "USR1"),
            ("signal=USR3", "\"signal=USR3\""),
            ("signal=KILL", "USR1"),
            ("threshold=8O%", "\"threshold=8O%\""),
            ("every=10", "units"),
            ("dir=", "a folder"),
            ("keep=0", "from 1 on"),
            ("keep_bytes=1MB", "MiB"),
            ("exit,exit", "exit is there twice"),
        ] {
            let problem = parse(text.as_bytes()).unwrap_err();
            assert!(problem.contains(named), "{text}: {problem}");
        }
        assert!(parse(b"dir=\xff").is_err());
    }

    #[test]
    fn the_first_variable_of_the_name_counts() {
        let found = find(b"A=1\0HEAPPROF_DUMPS=2\0HEAPPROF_DUMP=exit\0HEAPPROF_DUMP=x\0");
        assert_eq!(found, Some(&b"exit"[..]));
        assert_eq!(find(b"XHEAPPROF_DUMP=1\0HEAPPROF_DUMP\0"), None);
    }
}
