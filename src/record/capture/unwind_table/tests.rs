//! The tables of this very program, whole and broken.

use super::*;
use crate::record::capture::bounds::Bounds;
use crate::record::capture::rule::{Frame, PackedRule, Stop};
use crate::record::sampler::Random;

/// Rounds of what can run longer; a soak runs more of them.
fn rounds(usual: u64) -> u64 {
    let scale = std::env::var("HEAPPROF_TEST_SCALE").map_or(1, |scale| scale.parse().unwrap());
    usual * scale
}

/// A function's address and what it looks like in the tables: by hand.
const FUNCTION: u64 = 0x1000;
const INDEX: u64 = 0x4000;
const FRAMES: u64 = 0x5000;

/// Tables for one function of 0x100 bytes at [`FUNCTION`], in which `program` is
/// the entry's instructions: rows of call frame information.
fn tables_of(program: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut frames = Vec::new();
    // The common part: version 1, augmentation "zR", factors 1 and -8, return
    // address in register 16, pointers relative to themselves (0x1B); the CFA is
    // register 7 + 8, the return address at CFA - 8.
    let common = b"\0\0\0\0\x01zR\0\x01\x78\x10\x01\x1B\x0C\x07\x08\x90\x01\0\0";
    frames.extend((common.len() as u32).to_le_bytes());
    frames.extend(common);
    let entry = frames.len();
    let mut body = (entry as u32 + 4).to_le_bytes().to_vec();
    let start_at = FRAMES + entry as u64 + 8;
    body.extend((FUNCTION.wrapping_sub(start_at) as i32).to_le_bytes());
    body.extend(0x100_u32.to_le_bytes());
    body.push(0);
    body.extend(program);
    body.resize(body.len().next_multiple_of(4), 0);
    frames.extend((body.len() as u32).to_le_bytes());
    frames.extend(body);
    frames.extend(0_u32.to_le_bytes());

    let mut index = vec![VERSION, 0x1B, COUNT_ENCODING, PAIR_ENCODING];
    index.extend((FRAMES.wrapping_sub(INDEX + 4) as i32).to_le_bytes());
    index.extend(1_u32.to_le_bytes());
    index.extend((FUNCTION.wrapping_sub(INDEX) as i32).to_le_bytes());
    index.extend(((FRAMES + entry as u64).wrapping_sub(INDEX) as i32).to_le_bytes());
    (index, frames)
}

fn table(bias: u64, index: Vec<u8>, frames: Vec<u8>) -> Option<UnwindTable> {
    let copied = |bytes: Vec<u8>| Sections::Copied(bytes.into());
    UnwindTable::new(bias, copied(index), INDEX, copied(frames), FRAMES)
}

fn rule_at(address: u64, program: &[u8]) -> Rule {
    let (index, frames) = tables_of(program);
    let bias = 0x7F00_0000_0000;
    let table = table(bias, index, frames).unwrap();
    table.rule(bias.wrapping_add(address), &mut Context::new_in())
}

#[cfg(target_arch = "x86_64")]
mod by_hand {
    use super::*;

    const CALLER: Caller = Caller {
        base: Base::StackPointer,
        offset: 8,
        return_address: Saved::At(-1),
        frame_pointer: Saved::InPlace,
    };

    #[test]
    fn a_row_holds_from_its_address_on() {
        // Four bytes on, 16 more are on the stack, with the frame pointer below
        // the return address.
        let program = [0x44, 0x0E, 24, 0x86, 2];
        assert_eq!(rule_at(FUNCTION, &program), Rule::Caller(CALLER));
        let pushed = Caller {
            offset: 24,
            frame_pointer: Saved::At(-2),
            ..CALLER
        };
        assert_eq!(rule_at(FUNCTION + 4, &program), Rule::Caller(pushed));
        assert_eq!(rule_at(FUNCTION + 0xFF, &program), Rule::Caller(pushed));
    }

    #[test]
    fn outside_of_every_function_nothing_is_known() {
        for address in [0, FUNCTION - 1, FUNCTION + 0x100, u64::MAX] {
            assert_eq!(rule_at(address, &[]), Rule::Unknown, "{address:#x}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_unknown_or_lost() {
        // No return address: the outermost function.
        assert_eq!(rule_at(FUNCTION, &[0x07, 16]), Rule::Root);
        // The CFA by rbp, by rbx, by an expression.
        let by_frame_pointer = Caller {
            base: Base::FramePointer,
            offset: 16,
            ..CALLER
        };
        assert_eq!(
            rule_at(FUNCTION, &[0x0C, 6, 16]),
            Rule::Caller(by_frame_pointer)
        );
        assert_eq!(rule_at(FUNCTION, &[0x0C, 3, 16]), Rule::Unknown);
        assert_eq!(rule_at(FUNCTION, &[0x0F, 1, 0x9C]), Rule::Unknown);
        // rbp by an expression, in another register, at an odd place.
        for program in [&[0x10, 6, 1, 0x9C][..], &[0x09, 6, 3], &[0x11, 6, 0x7F]] {
            let Rule::Caller(caller) = rule_at(FUNCTION, program) else {
                panic!("{program:x?}");
            };
            let odd_is_whole_words = program[0] == 0x11;
            assert!(
                caller.frame_pointer == Saved::Lost || odd_is_whole_words,
                "{program:x?}: {caller:?}"
            );
        }
        // More remembered rows than there is room for.
        assert_eq!(rule_at(FUNCTION, &[0x0A; 8]), Rule::Unknown);
    }
}

#[test]
fn an_index_of_another_kind_is_refused() {
    let (index, frames) = tables_of(&[]);
    assert!(table(0, index.clone(), frames.clone()).is_some());
    for byte in [0, 2, 3] {
        let mut other = index.clone();
        other[byte] ^= 0x40;
        assert!(table(0, other, frames.clone()).is_none());
    }
    assert!(table(0, index[..11].to_vec(), frames).is_none());
}

/// Garbage in the tables gives wrong rules at worst: never a panic, never a read
/// outside the stack, never an endless walk.
#[test]
fn broken_tables_break_nothing() {
    let mut random = Random(0x5EED_0003);
    let programs: Vec<Vec<u8>> = (0..64)
        .map(|_| {
            (0..random.next() % 40)
                .map(|_| random.next() as u8)
                .collect()
        })
        .collect();
    let mut context = Context::new_in();
    let mut steps = 0_u64;
    for round in 0..rounds(60_000) {
        let (mut index, mut frames) = tables_of(&programs[round as usize % programs.len()]);
        for _ in 0..random.next() % 6 {
            let bytes = if random.next().is_multiple_of(4) {
                &mut index
            } else {
                &mut frames
            };
            let at = random.next() as usize % bytes.len();
            bytes[at] = match random.next() % 3 {
                0 => random.next() as u8,
                1 => bytes[at] ^ (1 << (random.next() % 8)),
                _ => [0, 0x7F, 0x80, 0xFF][random.next() as usize % 4],
            };
        }
        let bias = [0, 0x7F00_0000_0000, random.next()][random.next() as usize % 3];
        let Some(table) = table(bias, index, frames) else {
            continue;
        };
        for address in [0, 4, 0xFF, 0x100, random.next()] {
            let address = bias.wrapping_add(FUNCTION).wrapping_add(address);
            let rule = table.rule(address, &mut context);
            steps += walk_garbage(rule, &mut random);
        }
    }
    assert!(steps > 1_000, "too few walks got anywhere: {steps}");
}

/// Follows a rule over a stack of random words; returns the frames it found.
fn walk_garbage(rule: Rule, random: &mut Random) -> u64 {
    let mut words = [0_u64; 64];
    let start = words.as_ptr().addr() as u64;
    for word in &mut words {
        *word = match random.next() % 4 {
            0 => random.next(),
            1 => start.wrapping_add(random.next() % 600),
            2 => [0, 1, 7, 8, u64::MAX, 1 << 63][random.next() as usize % 6],
            _ => start.wrapping_add((random.next() % 64) * 8),
        };
    }
    let bounds = Bounds::of(start..start + 512);
    let mut frame = Frame::of(start + (random.next() % 8) * 8, words[0]);
    let packed = PackedRule::of(rule);
    let mut found = 0;
    loop {
        let before = frame;
        match frame.step(&packed.unpack(), &bounds) {
            Ok(caller) => {
                found += 1;
                if let Some(taken) = frame.taken_from(&before, 0x1000, packed, caller) {
                    assert_eq!(taken.again(&before, &bounds), Some(frame));
                }
            }
            Err(Stop::Root | Stop::Cut) => break found,
        }
        assert!(found <= 64, "a walk that goes in circles");
    }
}

/// The real tables of this program and its libraries: every function that has a
/// row has a rule that a walk can use or says plainly that it has none.
#[test]
fn every_function_of_this_program_has_a_rule() {
    let loaded = crate::record::capture::image::list_loaded(&[], 1);
    let table = loaded[0].unwind.as_ref().expect("this program has tables");
    let mut context = Context::new_in();
    let (mut all, mut followed) = (0_u32, 0_u32);
    let (pairs, _) = table.index[table.pairs.clone()].as_chunks::<PAIR_BYTES>();
    for &[a, b, c, d, ..] in pairs {
        let start = table
            .address_in_index([a, b, c, d])
            .wrapping_add(table.bias);
        all += 1;
        if table.rule(start, &mut context) != Rule::Unknown {
            followed += 1;
        }
    }
    assert!(all > 500, "{all} functions");
    assert!(followed * 100 >= all * 99, "{followed} of {all}");
}
