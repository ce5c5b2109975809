//! How far memory can be read, asked of the kernel: in a signal handler there is
//! nobody else to ask.

use super::{PAGE_BYTES, end_of_page};

/// Looked through at most: 4 MiB of stack in use.
const MAX_PAGES: u32 = 1024;

/// From `start`, whose page is there, to the first page that cannot be read, or to
/// the end of `last`'s. If `last` lies below, the page of `start` is all.
pub(super) fn end_of_readable(start: u64, last: u64) -> u64 {
    let mut end = end_of_page(start);
    for _ in 0..MAX_PAGES {
        if end > last || !can_be_read(end) {
            break;
        }
        end = end.saturating_add(PAGE_BYTES);
    }
    end
}

/// The thread's data for itself, which the C libraries put at the upper end of the
/// stacks of all threads but the first.
pub(super) fn thread_pointer() -> u64 {
    let pointer;
    // SAFETY: copies a register, or the word that holds its value.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!(
            "mov {pointer}, fs:0",
            pointer = out(reg) pointer,
            options(nostack, preserves_flags, readonly),
        );
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!(
            "mrs {pointer}, tpidr_el0",
            pointer = out(reg) pointer,
            options(nostack, preserves_flags, nomem),
        );
    }
    pointer
}

/// Can the word at `address` be read? The kernel reads a signal mask there, and
/// then finds that it does not know what to do with it. May change `errno`.
fn can_be_read(address: u64) -> bool {
    const NO_SUCH_CHANGE: libc::c_int = -1;
    let nowhere = core::ptr::null_mut::<libc::c_void>();
    // SAFETY: fails in any case, before it changes anything: what is asked for does
    // not exist (EINVAL), or the address does not (EFAULT).
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NO_SUCH_CHANGE,
            address,
            nowhere,
            size_of::<u64>(),
        );
        *libc::__errno_location() != libc::EFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_where_nothing_can_be_read() {
        let pages = |count: u64| (count * PAGE_BYTES) as usize;
        // SAFETY: a mapping of our own, the third page of which is then closed.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(
                std::ptr::null_mut(),
                pages(4),
                libc::PROT_READ,
                flags,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            let closed = start.cast::<u8>().add(pages(2)).cast();
            assert_eq!(libc::mprotect(closed, pages(1), libc::PROT_NONE), 0);
            start.addr() as u64
        };
        let two = start + 2 * PAGE_BYTES;
        assert_eq!(end_of_readable(start + 8, u64::MAX), two);
        assert_eq!(end_of_readable(start + 8, two), two);
        let one = start + PAGE_BYTES;
        assert_eq!(end_of_readable(start + 8, start), one);
        assert_eq!(end_of_readable(start + 8, 0), one);
    }

    #[test]
    fn a_threads_data_is_above_its_stack() {
        std::thread::spawn(|| {
            let here = 0_u8;
            let (here, pointer) = (std::ptr::from_ref(&here).addr() as u64, thread_pointer());
            assert!(here < pointer);
            assert!(end_of_readable(here, pointer) > pointer);
        })
        .join()
        .unwrap();
    }
}
