#![forbid(unsafe_code)]
//! The overview as text.

use std::fmt;

use super::Memory;

const MIB: f64 = (1_u64 << 20) as f64;

/// Figures in MiB, beside the names that the fields have.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interval = self.in_use.confidence_interval_bytes();
        let note = format!(
            "95 %: {:.2} to {:.2}",
            *interval.start() as f64 / MIB,
            *interval.end() as f64 / MIB
        );
        writeln!(f, "{:<36} {:>12}", "", "MiB")?;
        let in_use = self.in_use.bytes.max(0).unsigned_abs();
        line(f, "in use", in_use, &note)?;
        if let Some(allocator) = &self.allocator {
            for (name, bytes) in [
                ("allocated", allocator.allocated_bytes),
                ("active", allocator.active_bytes),
                ("metadata", allocator.metadata_bytes),
                ("resident", allocator.resident_bytes),
                ("mapped", allocator.mapped_bytes),
                ("retained", allocator.retained_bytes),
            ] {
                if let Some(bytes) = bytes {
                    line(f, &format!("{} {name}", allocator.name), bytes, "")?;
                }
            }
        }
        if let Some(process) = &self.process {
            line(f, "resident", process.resident_bytes, "")?;
            line(f, "proportional", process.proportional_bytes, "")?;
            line(f, "anonymous", process.anonymous_bytes, "")?;
            line(f, "file-backed", process.file_bytes, "")?;
            line(f, "swapped out", process.swap_bytes, "")?;
        }
        if let Some(cgroup) = &self.cgroup {
            line(f, "cgroup usage", cgroup.usage_bytes, "")?;
            if let Some(bytes) = cgroup.page_cache_bytes {
                line(f, "cgroup page cache", bytes, "")?;
            }
            if let Some(bytes) = cgroup.limit_bytes {
                line(f, "cgroup limit", bytes, "")?;
            }
        }
        if let Some(limit) = &self.nearest_limit {
            let percent = 100.0 * limit.bytes as f64 / limit.limit_bytes as f64;
            let note = format!("{percent:.1} % taken: {}", limit.name);
            line(f, "nearest limit", limit.limit_bytes, &note)?;
        }
        line(f, "the profiler's own", self.own_bytes, "")?;
        writeln!(f, "\nwhere it is")?;
        for part in self.parts() {
            line(f, part.name, part.bytes, part.formula)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, bytes: u64, note: &str) -> fmt::Result {
    let text = format!("{name:<36} {:>12.2}  {note}", bytes as f64 / MIB);
    writeln!(f, "{}", text.trim_end())
}
