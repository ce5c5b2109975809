//! The real `pprof`, newest and older.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// One version of `pprof`.
#[derive(Debug)]
pub struct Reader {
    program: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

/// A line of `pprof -top`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopLine {
    /// What the function itself allocated, in bytes or objects.
    pub flat: i64,
    /// The same with all that it called.
    pub cumulative: i64,
}

impl Reader {
    /// Both versions of `go tool pprof` that every profile has to be read by.
    pub fn both() -> [Self; 2] {
        ["PPROF", "PPROF_OLD"].map(Self::named_by)
    }

    /// The `pprof` that looks symbols up in any program. That of `go tool` is
    /// made for Go's: it disregards build ids, and elsewhere finds neither full
    /// names nor inlined frames.
    pub fn standalone() -> Self {
        Self::named_by("PPROF_STANDALONE")
    }

    fn named_by(variable: &str) -> Self {
        let program = env::var_os(variable).unwrap_or_else(|| {
            panic!("{variable} is not set; `cargo xtask test` installs pprof and sets it")
        });
        Self {
            program: program.into(),
            environment: Vec::new(),
        }
    }

    /// Sets a variable for later runs.
    pub fn env(mut self, key: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((key, value.into()));
        self
    }

    /// What it prints; fails the test if it fails.
    pub fn run<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> String {
        String::from_utf8(self.bytes(args)).expect("pprof prints text")
    }

    /// The same, for pictures.
    pub fn bytes<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Vec<u8> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let output = Command::new(&self.program)
            .args(&args)
            // Where it would look for binaries, and keep what it fetched.
            .env_remove("PPROF_BINARY_PATH")
            .env("PPROF_TMPDIR", env::temp_dir())
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        assert!(
            output.status.success(),
            "{} {args:?}: {}\n{}",
            self.program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// `pprof -top` of one sample type, uncut and unrounded, by function name.
    pub fn top<S: Into<OsString>>(
        &self,
        sample_index: &str,
        files: impl IntoIterator<Item = S>,
    ) -> HashMap<String, TopLine> {
        let sample_index = format!("-sample_index={sample_index}");
        let options = [
            "-top",
            "-nodecount=100000",
            "-nodefraction=0",
            "-unit=B",
            &sample_index,
        ];
        let args = options
            .into_iter()
            .map(OsString::from)
            .chain(files.into_iter().map(Into::into));
        let text = self.run(args);
        // Some lines of header end with the names of the columns:
        //       flat  flat%   sum%        cum   cum%
        //      6400B  5.33%  5.33%      6400B  5.33%  program::function (inline)
        let rows = text
            .lines()
            .skip_while(|line| !line.contains("flat%"))
            .skip(1);
        rows.map(|row| parse_top_line(row).unwrap_or_else(|| panic!("{row:?} in:\n{text}")))
            .collect()
    }

    /// Of one sample type, what the function whose name ends so allocated, with all
    /// that it called; 0 if it is not there.
    pub fn cumulative<S: Into<OsString>>(&self, sample_index: &str, file: S, name: &str) -> i64 {
        let top = self.top(sample_index, [file]);
        let line = top.into_iter().find(|(known, _)| known.ends_with(name));
        line.map_or(0, |(_, line)| line.cumulative)
    }

    /// `pprof -top` of the samples with such a label, as `-tagfocus` has it.
    pub fn focused<S: Into<OsString>>(&self, label: &str, file: S) -> String {
        let options = ["-top", "-nodefraction=0", "-unit=B"].map(OsString::from);
        let focus = format!("-tagfocus={label}").into();
        self.run(options.into_iter().chain([focus, file.into()]))
    }
}

fn parse_top_line(row: &str) -> Option<(String, TopLine)> {
    let mut rest = row;
    let mut columns = [""; 5];
    for column in &mut columns {
        (*column, rest) = rest.trim_start().split_once(' ')?;
    }
    let name = rest.trim();
    let name = ["(inline)", "(partial-inline)"]
        .iter()
        .find_map(|mark| name.strip_suffix(mark))
        .unwrap_or(name)
        .trim_end();
    let value = |text: &str| text.trim_end_matches('B').parse().ok();
    Some((
        name.to_owned(),
        TopLine {
            flat: value(columns[0])?,
            cumulative: value(columns[3])?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_are_read_whole() {
        let row = "     6400B  5.33%  5.33%      7000B  5.9%  <a::B<C> as d::E>::f (inline)";
        let expected = TopLine {
            flat: 6400,
            cumulative: 7000,
        };
        assert_eq!(
            parse_top_line(row),
            Some(("<a::B<C> as d::E>::f".to_owned(), expected))
        );
    }
}
