//! One run: a mix is performed, and the profiler is asked.

use std::ffi::c_void;
use std::ptr;

use crate::block::Block;
use crate::mix::{Mix, OBJECTS_PER_THREAD, Sizes, Work};
use crate::numbers::Numbers;
use crate::profiler::{Figures, Profiler};
use crate::truth::Truth;

/// The truth, and what the profiler said.
#[derive(Debug)]
pub struct Outcome {
    /// What was allocated.
    pub allocated: Truth,
    /// What is in use, or by how much that grew.
    pub in_use: Truth,
    /// What an error in use is held against: that which is in use.
    pub in_use_scale: Truth,
    /// What the profiler said.
    pub figures: Figures,
}

/// Memory of a run, with the truth about it.
struct Heap<'a> {
    profiler: &'a dyn Profiler,
    interval: u64,
    slots: Vec<Option<Block>>,
    /// The interval that each was allocated at.
    intervals: Vec<u64>,
    allocated: Truth,
    in_use: Truth,
}

/// Performs `mix` for the `number`th time; `None` if the profiler cannot do what
/// it asks for. On a thread of its own, while no other thread allocates.
pub fn run(mix: &Mix, number: u64, profiler: &dyn Profiler) -> Option<Outcome> {
    let slots = match mix.work {
        Work::Growth | Work::Realloc => mix.objects,
        _ => mix.objects / 2,
    };
    // All that the run itself needs is there before sampling begins.
    let mut heap = Heap {
        profiler,
        interval: mix.interval,
        slots: (0..slots).map(|_| None).collect(),
        intervals: vec![0; slots],
        allocated: Truth::default(),
        in_use: Truth::default(),
    };
    let mut numbers = Numbers(number << 32);
    let mut before = Truth::default();
    let mut survives = vec![true; slots];
    profiler.prepare(mix, number);
    profiler.begin();
    profiler.set_interval(mix.interval);
    let sizes = &mix.sizes;
    match mix.work {
        Work::Churn => heap.churn(0..mix.objects, sizes, &mut numbers),
        Work::ChangedInterval => heap.change_the_interval(mix, &mut numbers)?,
        Work::Realloc => heap.resize(sizes, &mut numbers),
        Work::ShortLivedThreads => heap.short_lived_threads(mix),
        Work::Growth => {
            heap.churn(0..slots / 2, sizes, &mut numbers);
            profiler.begin();
            before = heap.in_use;
            heap.allocated = Truth::default();
            for _ in 0..mix.objects {
                let slot = numbers.below(slots);
                heap.churn(slot..slot + 1, sizes, &mut numbers);
                survives[slot] = false;
            }
        }
    }
    let figures = if mix.work == Work::Growth {
        profiler.growth()?
    } else {
        profiler.figures()
    };
    profiler.set_interval(0);
    let in_use = match mix.work {
        Work::Growth => heap.growth(&before, &survives),
        _ => heap.in_use,
    };
    Some(Outcome {
        allocated: heap.allocated,
        in_use,
        in_use_scale: heap.in_use,
        figures,
    })
}

impl Heap<'_> {
    /// Allocates so many, each instead of an older one.
    fn churn(&mut self, numbered: std::ops::Range<usize>, sizes: &Sizes, numbers: &mut Numbers) {
        for number in numbered {
            self.put(number % self.slots.len(), Block::new(sizes.next(numbers)));
        }
    }

    fn put(&mut self, slot: usize, block: Block) {
        self.note_alloc(slot, block.size());
        self.slots[slot] = Some(block);
    }

    /// A block of `size` bytes was allocated for `slot`; what is there is freed.
    fn note_alloc(&mut self, slot: usize, size: usize) {
        let size = self.profiler.counted_size(size);
        self.allocated.add(1.0, size, self.interval);
        if let Some(old) = &self.slots[slot] {
            let size = self.profiler.counted_size(old.size());
            self.in_use.add(-1.0, size, self.intervals[slot]);
        }
        self.in_use.add(1.0, size, self.interval);
        self.intervals[slot] = self.interval;
    }

    /// By how much memory in use has grown since `before`. The error is that of
    /// what came and of what went; what survives in its slot cancels out.
    fn growth(&self, before: &Truth, survives: &[bool]) -> Truth {
        let mut survivors = Truth::default();
        for (block, _) in self
            .slots
            .iter()
            .zip(survives)
            .filter(|(_, survives)| **survives)
        {
            if let Some(block) = block {
                survivors.add(1.0, block.size(), self.interval);
            }
        }
        let mut growth = self.in_use.plus(before, 1.0).plus(&survivors, -2.0);
        growth.value = self.in_use.plus(before, -1.0).value;
        growth
    }

    fn change_the_interval(&mut self, mix: &Mix, numbers: &mut Numbers) -> Option<()> {
        let third = mix.objects / 3;
        self.churn(0..third, &mix.sizes, numbers);
        self.interval = mix.interval * 4;
        self.profiler.set_interval(self.interval).then_some(())?;
        self.churn(third..2 * third, &mix.sizes, numbers);
        self.interval = mix.interval / 2;
        let mut order = (self.profiler, self.interval);
        on_a_fresh_thread(
            |(profiler, interval)| {
                profiler.set_interval(*interval);
            },
            &mut order,
        );
        self.churn(2 * third..mix.objects, &mix.sizes, numbers);
        Some(())
    }

    fn resize(&mut self, sizes: &Sizes, numbers: &mut Numbers) {
        const SMALLEST: usize = 64;
        let slots = self.slots.len() / 2;
        for number in 0..self.slots.len() {
            let slot = number % slots;
            let goal = sizes.next(numbers);
            self.put(slot, Block::new(SMALLEST));
            while self.size(slot) < goal {
                self.resize_one(slot, goal.min(self.size(slot) * 2));
            }
            if numbers.unit() < 0.5 {
                self.resize_one(slot, self.size(slot).div_ceil(2));
            }
        }
    }

    fn size(&self, slot: usize) -> usize {
        self.slots[slot].as_ref().map_or(0, Block::size)
    }

    /// A free of the old size and an allocation of the new.
    fn resize_one(&mut self, slot: usize, size: usize) {
        self.note_alloc(slot, size);
        if let Some(block) = &mut self.slots[slot] {
            block.resize(size);
        }
    }

    fn short_lived_threads(&mut self, mix: &Mix) {
        let size = mix.sizes.next(&mut Numbers(0));
        for kept in self.slots.chunks_mut(OBJECTS_PER_THREAD / 2) {
            let mut order = (kept, size);
            on_a_fresh_thread(
                |(kept, size)| {
                    for slot in kept.iter_mut() {
                        *slot = Some(Block::new(*size));
                        drop(Block::new(*size));
                    }
                },
                &mut order,
            );
        }
        let size = self.profiler.counted_size(size);
        let kept = self.slots.len() as f64;
        self.allocated.add(2.0 * kept, size, self.interval);
        self.in_use.add(kept, size, self.interval);
    }
}

/// Calls `work` on a thread whose first allocation is the work's: the threads of
/// the standard library allocate on both sides before they begin.
fn on_a_fresh_thread<T: Send>(work: fn(&mut T), context: &mut T) {
    struct Order<'a, T> {
        work: fn(&mut T),
        context: &'a mut T,
    }

    extern "C" fn start<T>(order: *mut c_void) -> *mut c_void {
        // SAFETY: the order below; its owner waits until this thread has ended.
        let order = unsafe { &mut *order.cast::<Order<'_, T>>() };
        (order.work)(order.context);
        ptr::null_mut()
    }

    let mut order = Order { work, context };
    let mut thread: libc::pthread_t = 0;
    // SAFETY: the order is that which `start` expects, and outlives the thread.
    unsafe {
        let failed = libc::pthread_create(
            &raw mut thread,
            ptr::null(),
            start::<T>,
            (&raw mut order).cast(),
        );
        assert_eq!(failed, 0, "a thread can be made");
        libc::pthread_join(thread, ptr::null_mut());
    }
}
