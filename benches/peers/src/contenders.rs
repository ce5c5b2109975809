//! Who runs.

/// A program, how it is built, and what it is set against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The same allocator without profiling; itself, if it is one.
    pub(crate) against: &'static str,
    pub(crate) group: Group,
    /// The folder of its package.
    pub(crate) package: &'static str,
    pub(crate) program: &'static str,
    pub(crate) features: &'static str,
    /// What walks stacks by them needs them in everything that is built here.
    pub(crate) frame_pointers: bool,
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

/// What a contender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// An allocator that profiles nothing.
    Baseline,
    /// heapprof at 512 KiB.
    Heapprof,
    /// A profiler that samples every 512 KiB.
    Peer,
    /// A profiler that records every allocation.
    Exact,
    /// heapprof at another interval.
    Finer,
}

impl Contender {
    const fn allocator(name: &'static str) -> Self {
        Self {
            name,
            against: name,
            group: Group::Baseline,
            package: "benches/contenders",
            program: name,
            features: "",
            frame_pointers: false,
            environment: &[],
        }
    }

    const fn heapprof(name: &'static str, against: &'static str, program: &'static str) -> Self {
        Self {
            name,
            against,
            group: Group::Heapprof,
            program,
            environment: &[("HEAPPROF_SAMPLE_INTERVAL", "524288")],
            ..Self::allocator(name)
        }
    }

    const fn heapprof_at(name: &'static str, interval: &'static [(&str, &str)]) -> Self {
        Self {
            group: Group::Finer,
            environment: interval,
            ..Self::heapprof(name, "system", "heapprof_system")
        }
    }

    const fn peer(name: &'static str, against: &'static str, features: &'static str) -> Self {
        Self {
            against,
            group: Group::Peer,
            features,
            ..Self::allocator(name)
        }
    }
}

/// The comparison, in the order of the tables.
pub(crate) const ALL: &[Contender] = &[
    Contender::allocator("system"),
    Contender::allocator("jemalloc"),
    Contender::allocator("mimalloc"),
    Contender::heapprof("heapprof over system", "system", "heapprof_system"),
    Contender::heapprof("heapprof over jemalloc", "jemalloc", "heapprof_jemalloc"),
    Contender::heapprof("heapprof over mimalloc", "mimalloc", "heapprof_mimalloc"),
    Contender {
        program: "with_jemalloc_profiling",
        environment: &[(
            "_RJEM_MALLOC_CONF",
            "prof:true,prof_active:true,lg_prof_sample:19",
        )],
        ..Contender::peer("jemalloc's own profiling", "jemalloc", "jemalloc_profiling")
    },
    Contender {
        group: Group::Baseline,
        program: "with_stoolap",
        ..Contender::peer("stoolap-jemalloc", "stoolap-jemalloc", "stoolap")
    },
    Contender {
        program: "with_stoolap_profiling",
        ..Contender::peer("stoolap-jemalloc profiling", "stoolap-jemalloc", "stoolap")
    },
    Contender {
        group: Group::Baseline,
        package: "benches/contenders/mimalloc_pprof",
        program: "mimalloc_pprof",
        ..Contender::peer("mimalloc-pprof's mimalloc", "mimalloc-pprof's mimalloc", "")
    },
    Contender {
        package: "benches/contenders/mimalloc_pprof",
        program: "mimalloc_pprof",
        ..Contender::peer("mimalloc-pprof", "mimalloc-pprof's mimalloc", "pprof")
    },
    Contender {
        program: "system",
        frame_pointers: true,
        ..Contender::allocator(SYSTEM_FP)
    },
    Contender {
        program: "with_pprof_alloc",
        frame_pointers: true,
        ..Contender::peer("pprof-alloc", SYSTEM_FP, "pprof_alloc")
    },
    Contender {
        program: "with_dial9",
        frame_pointers: true,
        ..Contender::peer("dial9 with its live set", SYSTEM_FP, "dial9")
    },
    Contender {
        group: Group::Exact,
        ..Contender::heapprof_at("heapprof at interval 1", &[(INTERVAL, "1")])
    },
    Contender {
        group: Group::Exact,
        program: "with_dhat",
        ..Contender::peer("dhat", "system", "dhat")
    },
];

const SYSTEM_FP: &str = "system, frame pointers";

const INTERVAL: &str = "HEAPPROF_SAMPLE_INTERVAL";

/// heapprof over the system's allocator, from its default interval down.
pub(crate) const INTERVALS: &[Contender] = &[
    Contender::allocator("system"),
    Contender::heapprof_at("off", &[(INTERVAL, "0")]),
    Contender::heapprof_at("512 KiB", &[(INTERVAL, "524288")]),
    Contender::heapprof_at("256 KiB", &[(INTERVAL, "262144")]),
    Contender::heapprof_at("128 KiB", &[(INTERVAL, "131072")]),
    Contender::heapprof_at("64 KiB", &[(INTERVAL, "65536")]),
    Contender::heapprof_at("32 KiB", &[(INTERVAL, "32768")]),
    Contender::heapprof_at("16 KiB", &[(INTERVAL, "16384")]),
    Contender::heapprof_at("4 KiB", &[(INTERVAL, "4096")]),
];
