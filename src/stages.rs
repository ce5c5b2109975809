#![forbid(unsafe_code)]
//! Named moments of a program, and what changed from one to the next.

pub(crate) mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::counts::Counts;
use crate::error::Error;
use crate::module::Module;
#[cfg(unix)]
use crate::overview::Memory;
use crate::record::thread;
use crate::snapshot::{Record, Snapshot, Stats};

/// So many stages are kept, and fewer if their records take more than this.
const MAX_STAGES: usize = 64;
const MAX_BYTES: usize = if cfg!(test) { 1 << 20 } else { 16 << 20 };

/// Names are cut after so many characters.
const MAX_NAME_CHARS: usize = 100;

static STAGES: Mutex<Stages> = Mutex::new(Stages {
    kept: Vec::new(),
    dropped: 0,
});

/// Marks a moment: what is in use now is kept under this name, beside what was
/// at the stages before.
///
/// ```no_run
/// # fn load_images() {}
/// # fn main() -> Result<(), heapprof::Error> {
/// heapprof::stage("started")?;
/// load_images();
/// heapprof::stage("after image list")?;
/// println!("{}", heapprof::stages());
/// # Ok(())
/// # }
/// ```
///
/// A stage keeps the records that changed since the stage before, about 300 bytes
/// each, and can give all of them back ([`Stages::snapshot`]). The latest 64 stages
/// are kept, and fewer if they take more than 16 MiB; from the latest two on, the
/// oldest goes, and is counted. Control characters in the name become spaces, and
/// what is longer than 100 characters is cut.
///
/// Costs what [`Snapshot::take`], [`Snapshot::since`] and [`memory`](crate::memory()) cost.
///
/// # Errors
///
/// [`Error::NotRegistered`] if [`Alloc`](crate::Alloc) is not the global allocator.
pub fn stage(name: &str) -> Result<Stage, Error> {
    let _busy = thread::busy();
    // Held meanwhile, so that stages are in the order of their snapshots.
    let mut stages = lock();
    let snapshot = Snapshot::take()?;
    let process = Process::now(&snapshot.stats);
    Ok(stages.add(name, snapshot, process))
}

/// The stages that are kept, with all that belongs to them.
pub fn stages() -> Stages {
    let _busy = thread::busy();
    lock().clone()
}

fn lock() -> MutexGuard<'static, Stages> {
    STAGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program held at a moment, and how that differs from the stage before.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stage {
    /// From 1 on, in the order taken. No two stages of a process have the same.
    pub number: u64,
    /// As it was given to [`stage`], on one line.
    pub name: String,
    /// When it was taken.
    pub taken_at: SystemTime,
    /// What was in use.
    pub in_use: Counts,
    /// Distinct records (stack and size class) that there were.
    pub records: u64,
    /// How much memory the process had, by the same account as its peak. Linux only.
    pub resident_bytes: Option<u64>,
    /// The most that the process ever had until then. Linux only.
    ///
    /// The kernel keeps it (`VmHWM`). It could be told to begin anew at each stage, but
    /// then everybody else who watches the process would read wrong figures.
    pub peak_resident_bytes: Option<u64>,
    /// Whether that was reached since the stage before, or since the program's start.
    /// If not, all that is known of the time between is that it was less.
    pub peak_is_new: bool,
    /// Where the memory was: what the allocator, the kernel and the control group said.
    #[cfg(unix)]
    pub memory: Memory,
    /// How what is in use differs from the stage before. The first has none.
    pub change: Option<Counts>,
}

/// The stages of a program.
///
/// Shown as text, it is a table: figures in MiB, estimates with their 95 % confidence
/// intervals. Of a peak that was not reached since the stage before,
/// the table says `≤`.
#[derive(Clone, Debug)]
pub struct Stages {
    kept: Vec<Kept>,
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    stage: Stage,
    /// The records that are not as they were at the stage before.
    changed: Arc<[Record]>,
    modules: Vec<Arc<Module>>,
    stats: Stats,
}

/// What is known of the process, beside its profile.
#[derive(Clone, Debug)]
struct Process {
    resident_bytes: Option<u64>,
    peak_resident_bytes: Option<u64>,
    #[cfg(unix)]
    memory: Memory,
}

impl Stages {
    /// From the oldest that is kept to the latest.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Stage> {
        self.kept.iter().map(|kept| &kept.stage)
    }

    /// How many older stages are no longer kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The program as it was at the stage of this number, to be written as a profile
    /// or compared with another:
    ///
    /// ```no_run
    /// # fn main() -> Result<(), heapprof::Error> {
    /// let stages = heapprof::stages();
    /// if let (Some(earlier), Some(later)) = (stages.snapshot(2), stages.snapshot(5)) {
    ///     let mut file = std::fs::File::create("from-2-to-5.pb.gz").expect("a new file");
    ///     later.since(&earlier).write_pprof(&mut file, Default::default())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `None` if there is no such stage, or it is no longer kept.
    pub fn snapshot(&self, number: u64) -> Option<Snapshot> {
        let _busy = thread::busy();
        let index = self.iter().position(|stage| stage.number == number)?;
        let kept = self.kept.get(index)?;
        Some(Snapshot {
            records: latest(self.kept.iter().take(index + 1)),
            modules: kept.modules.clone(),
            stats: kept.stats.clone(),
            taken_at: kept.stage.taken_at,
            duration: None,
        })
    }

    fn add(&mut self, name: &str, snapshot: Snapshot, process: Process) -> Stage {
        let before = self.kept.last().map(|kept| &kept.stage);
        // The kernel's counts are to some hundred KiB, and a mark may seem to fall.
        let peak_before = before.and_then(|before| before.peak_resident_bytes);
        let peak = process.peak_resident_bytes.max(peak_before);
        let change = before
            .and_then(|before| self.snapshot(before.number))
            .map(|before| snapshot.since(&before));
        let stage = Stage {
            number: before.map_or(0, |before| before.number) + 1,
            name: one_line(name),
            taken_at: snapshot.taken_at,
            in_use: snapshot.stats.in_use,
            records: snapshot.stats.records,
            resident_bytes: process.resident_bytes,
            peak_resident_bytes: peak,
            peak_is_new: peak > peak_before,
            #[cfg(unix)]
            memory: process.memory,
            change: change.as_ref().map(|change| change.stats.in_use),
        };
        self.kept.push(Kept {
            stage: stage.clone(),
            changed: match change {
                None => snapshot.records.into(),
                Some(change) => {
                    let ids: FxHashSet<usize> = change.records.iter().map(|r| r.id).collect();
                    let changed = snapshot.records.iter().filter(|r| ids.contains(&r.id));
                    changed.copied().collect()
                }
            },
            modules: snapshot.modules,
            stats: snapshot.stats,
        });
        while self.kept.len() > MAX_STAGES || (self.kept.len() > 2 && self.bytes() > MAX_BYTES) {
            self.drop_oldest();
        }
        stage
    }

    fn bytes(&self) -> usize {
        let records: usize = self.kept.iter().map(|kept| kept.changed.len()).sum();
        records * size_of::<Record>()
    }

    /// The next becomes the first: what it did not change is its own now.
    fn drop_oldest(&mut self) {
        let all = latest(self.kept.iter().take(2));
        self.kept.remove(0);
        self.dropped += 1;
        if let Some(first) = self.kept.first_mut() {
            first.changed = all.into();
        }
    }
}

/// Each record as it was when it last changed, in a snapshot's order.
fn latest<'a>(stages: impl Iterator<Item = &'a Kept>) -> Vec<Record> {
    let by_id: FxHashMap<usize, Record> = stages
        .flat_map(|kept| kept.changed.iter())
        .map(|record| (record.id, *record))
        .collect();
    let mut records: Vec<Record> = by_id.into_values().collect();
    records.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
    records
}

fn one_line(name: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    name.chars().take(MAX_NAME_CHARS).map(visible).collect()
}

impl Process {
    #[cfg(unix)]
    fn now(stats: &Stats) -> Self {
        let status = crate::memory::process::Status::now().ok();
        Self {
            resident_bytes: status.map(|status| status.resident_bytes),
            peak_resident_bytes: status.map(|status| status.peak_resident_bytes),
            memory: Memory::now(stats),
        }
    }

    #[cfg(not(unix))]
    fn now(_: &Stats) -> Self {
        Self {
            resident_bytes: None,
            peak_resident_bytes: None,
        }
    }
}

#[cfg(test)]
mod tests;
