//! System calls that a sandbox does not allow: a filter for the kernel, written
//! by hand, that answers them with `EPERM`.

use std::io;

/// A group of calls, by a name for the command line.
#[derive(Debug)]
pub struct Group {
    /// How it is called.
    pub name: &'static str,
    /// The numbers of its calls.
    calls: &'static [libc::c_long],
}

/// What the profiler calls, does not need, or might come to call.
pub const GROUPS: [Group; 11] = [
    Group {
        name: "open",
        calls: &[libc::SYS_open, libc::SYS_openat, libc::SYS_openat2],
    },
    Group {
        name: "readlink",
        calls: &[libc::SYS_readlink, libc::SYS_readlinkat],
    },
    Group {
        name: "stat",
        calls: &[
            libc::SYS_stat,
            libc::SYS_lstat,
            libc::SYS_fstat,
            libc::SYS_newfstatat,
            libc::SYS_statx,
        ],
    },
    // `mmap`, by its arguments: memory such as the tables are made of, and files.
    Group {
        name: TABLES,
        calls: &[],
    },
    Group {
        name: FILES,
        calls: &[],
    },
    Group {
        name: "limits",
        calls: &[
            libc::SYS_getrlimit,
            libc::SYS_prlimit64,
            libc::SYS_sched_getaffinity,
        ],
    },
    Group {
        name: "signals",
        calls: &[libc::SYS_sigaltstack, libc::SYS_timer_create],
    },
    Group {
        name: "barriers",
        calls: &[
            libc::SYS_membarrier,
            libc::SYS_process_vm_readv,
            libc::SYS_mincore,
        ],
    },
    Group {
        name: NAMES,
        calls: &[libc::SYS_prctl],
    },
    // Called where the kernel does not share it.
    Group {
        name: "clock",
        calls: &[libc::SYS_clock_gettime],
    },
    // Its user without another source of random numbers is the standard library.
    Group {
        name: "random",
        calls: &[libc::SYS_getrandom],
    },
];

/// Mappings without reserved memory.
pub const TABLES: &str = "tables";
/// Mappings of files.
pub const FILES: &str = "files";
/// What a thread is called.
pub const NAMES: &str = "names";

const DENY: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
/// Offsets into `struct seccomp_data`.
const NUMBER: u32 = 0;
const MMAP_FLAGS: u32 = 16 + 3 * 8;
const MMAP_FILE: u32 = 16 + 4 * 8;

/// From now on this process, and all that it becomes, may not do what is in
/// `groups`. Allocates nothing, so that it can be called before anything else.
///
/// # Errors
/// If the kernel does not take the filter.
pub fn deny(is_denied: impl Fn(&str) -> bool) -> io::Result<()> {
    let mut filter = Filter {
        code: [EMPTY; 64],
        len: 0,
    };
    filter.load(NUMBER);
    for group in GROUPS.iter().filter(|group| is_denied(group.name)) {
        for call in group.calls {
            filter.deny_if(libc::BPF_JEQ, *call as u32, true);
        }
    }
    if is_denied(TABLES) {
        filter.deny_mmap_if(MMAP_FLAGS, libc::MAP_NORESERVE as u32, true);
    }
    if is_denied(FILES) {
        // No file is -1: its sign tells.
        filter.deny_mmap_if(MMAP_FILE, 1 << 31, false);
    }
    filter.push(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_ALLOW);
    filter.install()
}

const EMPTY: libc::sock_filter = libc::sock_filter {
    code: 0,
    jt: 0,
    jf: 0,
    k: 0,
};

struct Filter {
    code: [libc::sock_filter; 64],
    len: usize,
}

impl Filter {
    fn push(&mut self, code: u32, jt: u8, jf: u8, k: u32) {
        self.code[self.len] = libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        };
        self.len += 1;
    }

    fn load(&mut self, offset: u32) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    }

    /// If the comparison of what is loaded comes out as `wanted`.
    fn deny_if(&mut self, comparison: u32, value: u32, wanted: bool) {
        let (if_true, if_false) = if wanted { (0, 1) } else { (1, 0) };
        self.push(libc::BPF_JMP | comparison, if_true, if_false, value);
        self.push(libc::BPF_RET, 0, 0, DENY);
    }

    fn deny_mmap_if(&mut self, argument: u32, bits: u32, set: bool) {
        self.load(NUMBER);
        // Any other call goes over the next three.
        self.push(libc::BPF_JMP | libc::BPF_JEQ, 0, 3, libc::SYS_mmap as u32);
        self.load(argument);
        self.deny_if(libc::BPF_JSET, bits, set);
    }

    fn install(&mut self) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: self.len as u16,
            filter: self.code.as_mut_ptr(),
        };
        // SAFETY: the kernel reads the program and copies it.
        let failed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) != 0
        };
        if failed {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// Whether the group's calls are answered with `EPERM`, found out by calling them
/// with arguments that could do nothing.
pub fn is_in_force(group: &Group) -> bool {
    let is_denied = |result: libc::c_long| {
        result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
    };
    let map = |flags, file| {
        // SAFETY: of no length: refused for that if not by the filter.
        let place = unsafe { libc::mmap(std::ptr::null_mut(), 0, libc::PROT_READ, flags, file, 0) };
        is_denied(if place == libc::MAP_FAILED { -1 } else { 0 })
    };
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    match group.name {
        TABLES => map(private | libc::MAP_NORESERVE, -1) && !map(private, -1),
        FILES => map(libc::MAP_PRIVATE, 0) && !map(private, -1),
        // SAFETY: null pointers and numbers that nothing has: they fail one way or the other.
        _ => group
            .calls
            .iter()
            .all(|&call| is_denied(unsafe { libc::syscall(call, -1, 0, 0, 0, 0, 0) })),
    }
}
