//! The recorder's part in labels: sets get numbers, threads their names.

use super::Recorder;
use crate::record::label_table::{self, LabelTable, Room};
use crate::record::sync::Ordering;
use crate::record::thread::Thread;
use crate::record::thread_name::with_thread_name;

impl Recorder {
    /// The calling thread's name, if names are recorded.
    pub(super) fn thread_label(&self) -> u16 {
        // Relaxed: a switch that stands alone.
        if self.labels_threads.load(Ordering::Relaxed) == 0 {
            return label_table::NONE as u16;
        }
        Thread::with(|thread| thread.name_label(|| self.find_thread_label()))
    }

    #[cold]
    fn find_thread_label(&self) -> u16 {
        const BEFORE: &[u8] = b"thread\0";
        with_thread_name(|name| {
            if name.is_empty() {
                return label_table::NONE as u16;
            }
            let mut text = [0_u8; 128];
            let parts = BEFORE.iter().chain(name);
            text.iter_mut()
                .zip(parts)
                .for_each(|(to, from)| *to = *from);
            let len = BEFORE.len().saturating_add(name.len()).saturating_add(1);
            let text = text.get(..len).unwrap_or_default();
            self.number_labels(text, || b"thread\0[other]\0") as u16
        })
    }

    /// The number of a set of labels, or of `other`, which stands for it, where there
    /// is no room for more; of neither, if there is none for that.
    pub(crate) fn number_labels<T: AsRef<[u8]>>(
        &self,
        text: &[u8],
        other: impl FnOnce() -> T,
    ) -> u32 {
        let number = self.labels.number(text, Room::Ordinary, &self.arena);
        number.unwrap_or_else(|| {
            self.tallies.refused_labels.fetch_add(1, Ordering::Relaxed);
            let number = self
                .labels
                .number(other().as_ref(), Room::Reserved, &self.arena);
            number.unwrap_or(label_table::NONE)
        })
    }

    /// Labels that have a number.
    pub(crate) fn labels(&self) -> &LabelTable {
        &self.labels
    }

    pub(crate) fn label_threads(&self, is_on: bool) {
        // Relaxed: as where it is read.
        self.labels_threads.store(is_on.into(), Ordering::Relaxed);
    }
}
