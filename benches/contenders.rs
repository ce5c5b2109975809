//! The programs of `benches/contenders`: the same compiled workloads, each over
//! another allocator, alone or wrapped.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What is under the wrapper, or stands alone.
pub(crate) const ALLOCATORS: [&str; 3] = ["system", "jemalloc", "mimalloc"];

/// The programs, built.
pub(crate) struct Contenders {
    programs: Vec<PathBuf>,
}

impl Contenders {
    /// Has cargo build them as this program was built.
    pub(crate) fn build() -> Result<Self, Box<dyn Error>> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--profile", "bench", "--package", "contenders"])
            .args(["--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit())
            .output()?;
        if !build.status.success() {
            return Err("the contenders cannot be built".into());
        }
        let messages = String::from_utf8(build.stdout)?;
        let after_keys = messages.split("\"executable\":\"").skip(1);
        let programs = after_keys
            .filter_map(|rest| rest.split('"').next())
            .map(PathBuf::from)
            .collect();
        Ok(Self { programs })
    }

    /// Runs the one over `allocator`, wrapped at this interval or alone, and
    /// returns what it prints.
    pub(crate) fn run(
        &self,
        allocator: &str,
        interval: Option<&str>,
        args: &[&str],
    ) -> Result<String, Box<dyn Error>> {
        let name = if interval.is_some() {
            format!("heapprof_{allocator}")
        } else {
            allocator.to_owned()
        };
        let mut programs = self.programs.iter();
        let program = programs
            .find(|program| program.ends_with(&name))
            .ok_or_else(|| format!("cargo built no {name}"))?;
        let mut command = Command::new(program);
        command
            .args(args)
            .env_remove("HEAPPROF_SAMPLE_INTERVAL")
            .stderr(Stdio::inherit());
        if let Some(interval) = interval {
            command.env("HEAPPROF_SAMPLE_INTERVAL", interval);
        }
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("{name} {}: {}", args.join(" "), output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
