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
/// then finds that it does not know what to do with it. Where a sandbox answers in
/// its place, nothing is certain. May change `errno`.
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
        *libc::__errno_location() == libc::EINVAL
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

    /// By a filter for the thread that asks alone, which ends with it.
    #[test]
    fn a_sandbox_that_denies_the_question_ends_it() {
        const LOAD_NUMBER: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        const DENY: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let step = |code: u32, jf, k| libc::sock_filter {
            code: code as u16,
            jt: 0,
            jf,
            k,
        };
        let mut filter = [
            step(LOAD_NUMBER, 0, 0),
            step(IF_EQUAL, 1, libc::SYS_rt_sigprocmask as u32),
            step(libc::BPF_RET, 0, DENY),
            step(libc::BPF_RET, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let asked = std::thread::spawn(move || {
            let here = std::ptr::from_ref(&filter).addr() as u64;
            let before = can_be_read(here);
            let program = libc::sock_fprog {
                len: filter.len() as u16,
                filter: filter.as_mut_ptr(),
            };
            // SAFETY: the kernel copies the filter.
            let is_installed = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(
                        libc::PR_SET_SECCOMP,
                        libc::SECCOMP_MODE_FILTER,
                        &raw const program,
                    ) == 0
            };
            (before, is_installed, can_be_read(here))
        });
        assert_eq!(asked.join().unwrap(), (true, true, false));
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
