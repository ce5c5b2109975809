//! A child process that is printed before it runs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{self, Stdio};

use crate::{Failure, Result};

/// Like [`process::Command`], but its failure is a message that shows what to
/// type to see it again.
pub(crate) struct Command {
    inner: process::Command,
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut inner = process::Command::new(program);
        inner.stdin(Stdio::null());
        Self { inner }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.inner.args(args);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(key, value);
        self
    }

    pub(crate) fn envs<V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        self.inner.envs(variables);
        self
    }

    pub(crate) fn current_dir(mut self, directory: &Path) -> Self {
        self.inner.current_dir(directory);
        self
    }

    /// Runs it with its output passed through untouched.
    pub(crate) fn run(mut self) -> Result {
        let line = self.line();
        println!("$ {line}");
        let status = self
            .inner
            .status()
            .map_err(|error| cannot_start(&line, &error))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure(format!("{status}: {line}")))
        }
    }

    /// Runs it and returns what it wrote to standard output.
    pub(crate) fn output(mut self) -> Result<String> {
        let line = self.line();
        println!("$ {line}");
        let output = self
            .inner
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| cannot_start(&line, &error))?;
        if !output.status.success() {
            return Err(Failure(format!("{}: {line}", output.status)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it, which must fail, and returns what it wrote to standard error.
    pub(crate) fn failure(mut self) -> Result<String> {
        let line = self.line();
        println!("$ {line}");
        let output = self
            .inner
            .output()
            .map_err(|error| cannot_start(&line, &error))?;
        if output.status.success() {
            return Err(Failure(format!("it should have failed: {line}")));
        }
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Whether it can be started and succeeds; says nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        let status = self
            .inner
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// The command as one would type it.
    pub(crate) fn line(&self) -> String {
        let mut words: Vec<String> = self
            .inner
            .get_envs()
            .filter_map(|(key, value)| Some((key.to_string_lossy(), value?.to_string_lossy())))
            .map(|(key, value)| format!("{key}={}", quoted(&value)))
            .collect();
        words.push(self.inner.get_program().to_string_lossy().into_owned());
        words.extend(
            self.inner
                .get_args()
                .map(|arg| quoted(&arg.to_string_lossy())),
        );
        words.join(" ")
    }
}

fn cannot_start(line: &str, error: &std::io::Error) -> Failure {
    Failure(format!("cannot start ({error}): {line}"))
}

fn quoted(word: &str) -> String {
    if word.contains(' ') {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_can_be_typed() {
        let command = Command::new("cargo")
            .args(["doc"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(command.line(), "RUSTDOCFLAGS='-D warnings' cargo doc");
    }

    #[test]
    fn a_failure_that_is_wanted_is_one() {
        let found = Command::new("cat").args(["/nowhere"]).failure();
        assert!(found.is_ok_and(|printed| printed.contains("/nowhere")));
        assert!(Command::new("true").failure().is_err());
    }

    #[test]
    fn a_failure_names_the_command() {
        let failure = Command::new("false").run().expect_err("false fails");
        assert_eq!(failure.to_string(), "exit status: 1: false");
    }
}
