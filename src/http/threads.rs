#![forbid(unsafe_code)]
//! The threads of this process, in place of Go's goroutines: as a profile that
//! counts stacks, as the same in text, and one after the other.

use std::fmt::Write;
use std::io;
use std::time::SystemTime;

use crate::export::kinds::{self, Kind, When};
use crate::export::profile::{Label, Location, Profile, Stack};
use crate::export::text::write_stack;
use crate::record::thread;
use crate::snapshot::ReturnAddress;
use crate::tasks::{self, Task};

/// All threads at one moment, or what came and went between two.
#[derive(Debug)]
pub(super) struct Threads {
    when: When,
    list: Vec<Thread>,
}

/// A thread with its stack, or the reason why it has none.
#[derive(Clone, Debug)]
struct Thread {
    task: Task,
    frames: Vec<ReturnAddress>,
    module_generation: u32,
    note: Option<&'static str>,
    /// 1, or -1 of one that was there earlier.
    count: i64,
}

impl Thread {
    fn without_stack(task: Task, note: &'static str) -> Self {
        Self {
            task,
            frames: Vec::new(),
            module_generation: 0,
            note: Some(note),
            count: 1,
        }
    }
}

impl Threads {
    /// Lists them and, with the feature `threads`, asks each for its stack.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self {
            when: When::at(SystemTime::now()),
            list: with_stacks(tasks::list()?),
        })
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        let gone = earlier.list.iter().map(|thread| Thread {
            count: -thread.count,
            ..thread.clone()
        });
        Self {
            when: self.when.since(&earlier.when),
            list: self.list.iter().cloned().chain(gone).collect(),
        }
    }

    /// For `go tool pprof`: one count for each thread, labelled with its name.
    pub(super) fn to_profile(&self) -> Vec<u8> {
        kinds::encode(Kind::Goroutine, self.when, self.stacks(), self.comments())
    }

    /// As Go answers `goroutine?debug=1`: equal stacks together, the most frequent
    /// first.
    pub(super) fn to_text(&self) -> String {
        let _busy = thread::busy();
        let unnamed = self.stacks().into_iter().map(|stack| Stack {
            labels: Vec::new(),
            ..stack
        });
        let mut profile = kinds::profile(unnamed.collect());
        // Stable: equals stay in the order of the threads.
        profile.samples.sort_by_key(|sample| -sample.values[0]);
        let mut text = format!("goroutine profile: total {}\n", self.list.len());
        for sample in &profile.samples {
            let locations = sample.locations.iter().map(|id| &profile.locations[id.0]);
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "{} @", sample.values[0]);
            // pprof reads no line without an address.
            if locations.clone().all(|location| location.address == 0) {
                text.push_str(" 0x0");
            }
            let _ = write_stack(&mut text, &profile, locations);
        }
        text
    }

    /// As Go answers `goroutine?debug=2`: every thread by itself, with its state.
    pub(super) fn to_list(&self) -> String {
        let _busy = thread::busy();
        // Numbered, so that none is counted together with another.
        let numbered = self.stacks().into_iter().zip(&self.list);
        let numbered = numbered.map(|(stack, thread)| Stack {
            labels: vec![Label::thread(&thread.task.id.to_string())],
            ..stack
        });
        let profile = kinds::profile(numbered.collect());
        let mut text = String::new();
        for (thread, sample) in self.list.iter().zip(&profile.samples) {
            let Task {
                id, name, state, ..
            } = &thread.task;
            let _ = writeln!(text, "thread {id} {name:?} [{state}]:");
            let locations = sample.locations.iter().map(|id| &profile.locations[id.0]);
            for location in locations {
                let _ = write_location(&mut text, &profile, location);
            }
            text.push('\n');
        }
        text
    }

    fn stacks(&self) -> Vec<Stack<'_, [i64; 1]>> {
        let threads = self.list.iter();
        threads
            .map(|thread| Stack {
                frames: &thread.frames,
                module_generation: thread.module_generation,
                note: thread.note,
                labels: vec![Label::thread(&thread.task.name)],
                values: [thread.count],
            })
            .collect()
    }

    fn comments(&self) -> Vec<String> {
        let mut notes: Vec<&str> = self.list.iter().filter_map(|t| t.note).collect();
        notes.sort_unstable();
        let groups = notes.chunk_by(|one, other| one == other);
        groups
            .map(|group| format!("{} threads: {}", group.len(), group[0]))
            .collect()
    }
}

/// A frame in two lines: the function, and where in it.
fn write_location<V>(
    text: &mut String,
    profile: &Profile<V>,
    location: &Location,
) -> std::fmt::Result {
    if location.lines.is_empty() {
        writeln!(text, "{:#x}", location.address)?;
    }
    for line in &location.lines {
        let function = &profile.functions[line.function.0];
        writeln!(text, "{}", function.name)?;
        if !function.file.is_empty() {
            write!(text, "\t{}:{}", function.file, line.line)?;
            match location.function_offset {
                Some(offset) => writeln!(text, " +{offset:#x}")?,
                None => text.push('\n'),
            }
        }
    }
    Ok(())
}

#[cfg(all(feature = "threads", interrupts))]
fn with_stacks(tasks: Vec<Task>) -> Vec<Thread> {
    use crate::interrupt::threads::{Answer, ask};

    let Some(answers) = ask(&tasks) else {
        let note = "[no stack: the program handles every real-time signal]";
        let tasks = tasks.into_iter();
        return tasks
            .map(|task| Thread::without_stack(task, note))
            .collect();
    };
    let with_answer = |(task, answer)| match answer {
        Answer::Stack(stack) => Some(Thread {
            task,
            frames: stack.frames,
            module_generation: stack.module_generation,
            note: stack.end.note(),
            count: 1,
        }),
        Answer::Blocks => Some(Thread::without_stack(
            task,
            "[no stack: blocks the signal that asks for it]",
        )),
        Answer::Silent => Some(Thread::without_stack(
            task,
            "[no stack: did not answer in time]",
        )),
        Answer::Ended => None,
    };
    tasks
        .into_iter()
        .zip(answers)
        .filter_map(with_answer)
        .collect()
}

#[cfg(not(all(feature = "threads", interrupts)))]
fn with_stacks(tasks: Vec<Task>) -> Vec<Thread> {
    let note = if cfg!(feature = "threads") {
        "[no stack: heapprof captures those of threads on Linux, x86-64 and aarch64, alone]"
    } else {
        "[no stack: the program was built without heapprof's feature \"threads\"]"
    };
    let tasks = tasks.into_iter();
    tasks
        .map(|task| Thread::without_stack(task, note))
        .collect()
}
