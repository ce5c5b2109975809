//! The unwind tables of one image: from an address to the rule that leads to its
//! caller.
//!
//! `.eh_frame_hdr` is an index into `.eh_frame` (LSB Core 5.0, chapter 10.6): a
//! header, then pairs of function start and entry, sorted. gimli evaluates the
//! entries (DWARF 5, chapter 6.4).

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EndianSlice, LittleEndian, Register, RegisterRule,
    UnwindContext, UnwindContextStorage, UnwindSection, UnwindTableRow,
};

use super::rule::{Base, Caller, Rule, Saved};
use super::sections::Sections;

#[cfg(target_arch = "x86_64")]
mod register {
    use gimli::{Register, X86_64};

    pub(super) const STACK_POINTER: Register = X86_64::RSP;
    pub(super) const FRAME_POINTER: Register = X86_64::RBP;
    pub(super) const RETURN_ADDRESS: Register = X86_64::RA;
}

#[cfg(target_arch = "aarch64")]
mod register {
    use gimli::{AArch64, Register};

    pub(super) const STACK_POINTER: Register = AArch64::SP;
    pub(super) const FRAME_POINTER: Register = AArch64::X29;
    pub(super) const RETURN_ADDRESS: Register = AArch64::X30;
}

/// What gimli needs to evaluate a row, without allocating.
pub(super) type Context = UnwindContext<usize, RowStorage>;

/// Room for the registers that a function can save, and for as many remembered
/// rows as compilers nest. What needs more is not followed.
#[derive(Debug)]
pub(super) struct RowStorage;

impl UnwindContextStorage<usize> for RowStorage {
    type Rules = [(Register, RegisterRule<usize>); 48];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

/// See the module's description. Addresses inside are the image's own, as in its
/// file.
pub(super) struct UnwindTable {
    /// What to subtract from an address to get the image's own.
    bias: u64,
    index: Sections,
    /// Where the sorted pairs are in the index.
    pairs: core::ops::Range<usize>,
    index_address: u64,
    frames: Sections,
    frames_address: u64,
}

const HEADER_BYTES: usize = 12;
const PAIR_BYTES: usize = 8;
const VERSION: u8 = 1;
/// `DW_EH_PE_udata4`.
const COUNT_ENCODING: u8 = 0x03;
/// `DW_EH_PE_datarel | DW_EH_PE_sdata4`, the only one that linkers write.
const PAIR_ENCODING: u8 = 0x3B;

impl UnwindTable {
    /// Of an index and the frames that it points to, with their addresses. `None`
    /// if the index is of a kind that no linker writes.
    pub(super) fn new(
        bias: u64,
        index: Sections,
        index_address: u64,
        frames: Sections,
        frames_address: u64,
    ) -> Option<Self> {
        let header = index.get(..HEADER_BYTES)?;
        let &[VERSION, _, COUNT_ENCODING, PAIR_ENCODING, .., a, b, c, d] = header else {
            return None;
        };
        let count = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let end = count.checked_mul(PAIR_BYTES)?.checked_add(HEADER_BYTES)?;
        Some(Self {
            bias,
            pairs: HEADER_BYTES..end.min(index.len()),
            index,
            index_address,
            frames,
            frames_address,
        })
    }

    /// The rule for the frame of a function at `address`.
    pub(super) fn rule(&self, address: u64, context: &mut Context) -> Rule {
        self.find(address.wrapping_sub(self.bias), context)
            .unwrap_or(Rule::Unknown)
    }

    fn find(&self, address: u64, context: &mut Context) -> Option<Rule> {
        let entry = self.entry_at_or_before(address)?;
        let mut frames = EhFrame::from(EndianSlice::new(&self.frames, LittleEndian));
        frames.set_address_size(8);
        let bases = BaseAddresses::default()
            .set_eh_frame(self.frames_address)
            .set_eh_frame_hdr(self.index_address);
        let entry = frames
            .fde_from_offset(&bases, entry.into(), EhFrame::cie_from_offset)
            .ok()?;
        // A signal interrupts anywhere: what lies above its frame was not called.
        if !entry.contains(address) || entry.is_signal_trampoline() {
            return None;
        }
        let row = entry
            .unwind_info_for_address(&frames, &bases, context, address)
            .ok()?;
        Some(rule_of(row))
    }

    /// The offset in the frames of the last function that starts at or before `address`.
    fn entry_at_or_before(&self, address: u64) -> Option<usize> {
        let (pairs, _) = self
            .index
            .get(self.pairs.clone())?
            .as_chunks::<PAIR_BYTES>();
        let after = pairs
            .partition_point(|&[a, b, c, d, ..]| self.address_in_index([a, b, c, d]) <= address);
        let &[.., a, b, c, d] = pairs.get(after.checked_sub(1)?)?;
        let entry = self.address_in_index([a, b, c, d]);
        usize::try_from(entry.checked_sub(self.frames_address)?).ok()
    }

    fn address_in_index(&self, offset: [u8; 4]) -> u64 {
        let offset = i64::from(i32::from_le_bytes(offset));
        self.index_address.wrapping_add_signed(offset)
    }
}

fn rule_of(row: &UnwindTableRow<usize, RowStorage>) -> Rule {
    let return_address = match row.register(register::RETURN_ADDRESS) {
        Some(RegisterRule::Undefined) => return Rule::Root,
        rule => saved(rule),
    };
    let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else {
        return Rule::Unknown;
    };
    let base = match *register {
        register::STACK_POINTER => Base::StackPointer,
        register::FRAME_POINTER => Base::FramePointer,
        _ => return Rule::Unknown,
    };
    let Ok(offset) = i32::try_from(*offset) else {
        return Rule::Unknown;
    };
    Rule::Caller(Caller {
        base,
        offset,
        return_address,
        frame_pointer: saved(row.register(register::FRAME_POINTER)),
    })
}

fn saved(rule: Option<RegisterRule<usize>>) -> Saved {
    match rule {
        None | Some(RegisterRule::SameValue) => Saved::InPlace,
        Some(RegisterRule::Offset(offset)) if offset % 8 == 0 => {
            i16::try_from(offset / 8).map_or(Saved::Lost, Saved::At)
        }
        _ => Saved::Lost,
    }
}

#[cfg(test)]
mod tests;
