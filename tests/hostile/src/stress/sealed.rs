//! An allocator that checks what comes back, cheaply enough for a billion blocks.

use std::alloc::{GlobalAlloc, Layout, System};

/// Notes each block's layout in front of it, and compares when it comes back.
#[derive(Debug)]
pub struct Sealed;

/// What lies in front of a block.
#[repr(C)]
struct Seal {
    size: usize,
    align: usize,
    /// Tells a live block from a freed one, and from none.
    mark: usize,
    _to_16: usize,
}

const LIVE: usize = 0x11FE_11FE_11FE_11FE;
const FREED: usize = 0xF4EE_F4EE_F4EE_F4EE;

fn room_in_front(layout: Layout) -> usize {
    layout.align().max(size_of::<Seal>())
}

fn with_seal(layout: Layout) -> Layout {
    let size = layout.size() + room_in_front(layout);
    Layout::from_size_align(size, layout.align().max(align_of::<Seal>())).expect("it is not huge")
}

// SAFETY: forwards to `System` with room in front.
unsafe impl GlobalAlloc for Sealed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract; the seal lies in the room in front.
        unsafe {
            let start = System.alloc(with_seal(layout));
            if start.is_null() {
                return start;
            }
            let block = start.add(room_in_front(layout));
            block.cast::<Seal>().sub(1).write(Seal {
                size: layout.size(),
                align: layout.align(),
                mark: LIVE,
                _to_16: 0,
            });
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract; the seal lies in front.
        unsafe {
            let seal = &mut *block.cast::<Seal>().sub(1);
            if (seal.size, seal.align, seal.mark) != (layout.size(), layout.align(), LIVE) {
                complain(seal, layout);
            }
            seal.mark = FREED;
            System.dealloc(block.sub(room_in_front(layout)), with_seal(layout));
        }
    }
}

#[cold]
fn complain(seal: &Seal, layout: Layout) -> ! {
    eprintln!(
        "a block of {} aligned to {} (mark {:x}) came back as {layout:?}",
        seal.size, seal.align, seal.mark
    );
    std::process::abort();
}
