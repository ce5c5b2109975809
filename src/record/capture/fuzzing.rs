//! What a fuzzer feeds: unwind tables and a stack of its own making.

use super::bounds::Bounds;
use super::rule::{Frame, PackedRule, Stop};
use super::sections::Sections;
use super::unwind_table::{Context, UnwindTable};

/// Stack words at most; a walk has no more steps than that.
const WORDS: usize = 256;

/// Looks for a build id among garbage notes.
pub fn elf_notes(data: &[u8]) {
    let (align, notes) = data.split_first().unwrap_or((&4, &[]));
    if let Some(build_id) = super::image::build_id_in(notes, u64::from(*align)) {
        assert!(build_id.len() <= notes.len());
    }
}

/// Walks a garbage stack by garbage tables. Wrong frames are to be expected; a
/// panic, an endless walk and a read outside of the stack are not.
pub fn unwind(data: &[u8]) {
    let mut rest = data;
    let mut word = || -> u64 {
        let (bytes, after) = rest.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        rest = after;
        u64::from_le_bytes(*bytes)
    };
    let [bias, index_address, frames_address, address] = [(); 4].map(|()| word());
    let [lengths, sp, fp] = [(); 3].map(|()| word());

    let take = |rest: &mut &[u8], len: usize| {
        let (taken, after) = rest.split_at(len.min(rest.len()));
        *rest = after;
        taken.to_vec()
    };
    let mut index = take(&mut rest, lengths as usize % 256);
    let frames = take(&mut rest, (lengths >> 8) as usize % 1024);
    // Another kind of index is refused, and that is soon found.
    for (byte, expected) in index.iter_mut().zip([1, 0x1B, 0x03, 0x3B]) {
        *byte = expected;
    }
    let mut words: Vec<u64> = rest
        .chunks_exact(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
        .take(WORDS)
        .collect();
    let start = words.as_ptr().addr() as u64;
    // Some words point into the stack.
    for word in &mut words {
        if *word >> 32 == 0x5AC4 {
            *word = start.wrapping_add(*word & 0xFFFF);
        }
    }
    let bounds = Bounds::of(start..start + words.len() as u64 * 8);

    let copied = |bytes: Vec<u8>| Sections::Copied(bytes.into());
    let (index, frames) = (copied(index), copied(frames));
    let Some(table) = UnwindTable::new(bias, index, index_address, frames, frames_address) else {
        return;
    };
    let mut context = Context::new_in();
    let mut frame = Frame::of(start.wrapping_add(sp % 2048), start.wrapping_add(fp));
    let mut address = address;
    for _ in 0..=WORDS {
        let rule = PackedRule::of(table.rule(address, &mut context));
        let before = frame;
        match frame.step(&rule.unpack(), &bounds) {
            Ok(return_address) => {
                // Taken again, the step leads to the same.
                if let Some(taken) = frame.taken_from(&before, address, rule, return_address) {
                    assert_eq!(taken.again(&before, &bounds), Some(frame));
                }
                address = return_address.wrapping_sub(1);
            }
            Err(Stop::Root | Stop::Cut) => return,
        }
    }
    panic!("a walk that goes in circles");
}
