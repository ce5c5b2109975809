//! The builds.

/// A way to build the program.
pub(crate) struct Build {
    /// For the command line.
    pub(crate) name: &'static str,
    /// For the document.
    pub(crate) what: &'static str,
    /// Part of `quick`.
    pub(crate) is_quick: bool,
    /// Values of `[profile.release]`, or of `[profile.dev]` for a debug build. The
    /// workspace's own are `debug = "line-tables-only"` and nothing else.
    pub(crate) profile: &'static [(&'static str, &'static str)],
    pub(crate) rustflags: &'static str,
    pub(crate) kind: Kind,
}

/// What is built, and by whom it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Program,
    /// Not optimized.
    Debug,
    /// Stacks are walked by frame pointers.
    FramePointers,
    /// A library, loaded by a program in C.
    ForC,
    /// A library, loaded by Python.
    ForPython,
    /// For another processor, which is emulated.
    Aarch64,
}

const PLAIN: Build = Build {
    name: "release",
    what: "`debug = \"line-tables-only\"`",
    is_quick: false,
    profile: &[],
    rustflags: "",
    kind: Kind::Program,
};

pub(crate) const BUILDS: [Build; 27] = [
    PLAIN,
    Build {
        name: "debug",
        what: "a debug build (`opt-level = 0`)",
        profile: &[("opt-level", "0")],
        kind: Kind::Debug,
        ..PLAIN
    },
    Build {
        name: "full-debug-info",
        what: "`debug = true`",
        profile: &[("debug", "true")],
        ..PLAIN
    },
    Build {
        name: "stock",
        what: "no `debug` setting: what `cargo build --release` does",
        profile: &[("debug", "false")],
        ..PLAIN
    },
    Build {
        name: "strip-debuginfo",
        what: "`strip = \"debuginfo\"`",
        profile: &[("strip", "\"debuginfo\"")],
        ..PLAIN
    },
    Build {
        name: "strip",
        what: "`strip = true`",
        profile: &[("strip", "true")],
        ..PLAIN
    },
    Build {
        name: "split-packed",
        what: "`split-debuginfo = \"packed\"`",
        profile: &[("debug", "true"), ("split-debuginfo", "\"packed\"")],
        ..PLAIN
    },
    Build {
        name: "split-unpacked",
        what: "`split-debuginfo = \"unpacked\"`",
        profile: &[("debug", "true"), ("split-debuginfo", "\"unpacked\"")],
        ..PLAIN
    },
    Build {
        name: "lto-thin",
        what: "`lto = \"thin\"`",
        profile: &[("lto", "\"thin\"")],
        ..PLAIN
    },
    Build {
        name: "lto-fat",
        what: "`lto = \"fat\"`, `codegen-units = 1`",
        profile: &[("lto", "\"fat\""), ("codegen-units", "1")],
        ..PLAIN
    },
    Build {
        name: "opt-z",
        what: "`opt-level = \"z\"`",
        profile: &[("opt-level", "\"z\"")],
        ..PLAIN
    },
    Build {
        name: "panic-abort",
        what: "`panic = \"abort\"`",
        profile: &[("panic", "\"abort\"")],
        ..PLAIN
    },
    Build {
        name: "smallest",
        what: "`lto = \"fat\"`, `panic = \"abort\"`, `strip = true`",
        is_quick: true,
        profile: &[
            ("lto", "\"fat\""),
            ("panic", "\"abort\""),
            ("strip", "true"),
        ],
        ..PLAIN
    },
    Build {
        name: "no-unwind-tables",
        what: "`panic = \"abort\"`, `-C force-unwind-tables=no`",
        profile: &[("panic", "\"abort\"")],
        rustflags: "-Cforce-unwind-tables=no",
        ..PLAIN
    },
    Build {
        name: "frame-pointers",
        what: "`-C force-frame-pointers=yes`, `Unwinder::FramePointers`",
        rustflags: "-Cforce-frame-pointers=yes",
        kind: Kind::FramePointers,
        ..PLAIN
    },
    Build {
        name: "forced-frame-pointers",
        what: "`-C force-frame-pointers=yes`",
        rustflags: "-Cforce-frame-pointers=yes",
        ..PLAIN
    },
    Build {
        name: "native",
        what: "`-C target-cpu=native`",
        rustflags: "-Ctarget-cpu=native",
        ..PLAIN
    },
    Build {
        name: "v0-names",
        what: "`-C symbol-mangling-version=v0`",
        rustflags: "-Csymbol-mangling-version=v0",
        ..PLAIN
    },
    Build {
        name: "not-pie",
        what: "`-C relocation-model=static`",
        rustflags: "-Crelocation-model=static",
        ..PLAIN
    },
    Build {
        name: "static-pie",
        what: "`-C target-feature=+crt-static`",
        is_quick: true,
        rustflags: "-Ctarget-feature=+crt-static",
        ..PLAIN
    },
    Build {
        name: "static-not-pie",
        what: "`-C target-feature=+crt-static -C relocation-model=static`",
        rustflags: "-Ctarget-feature=+crt-static -Crelocation-model=static",
        ..PLAIN
    },
    Build {
        name: "prefer-dynamic",
        what: "`-C prefer-dynamic`: the standard library is a shared one",
        rustflags: "-Cprefer-dynamic",
        ..PLAIN
    },
    Build {
        name: "gnu-ld",
        what: "linked by GNU ld (`-C link-arg=-fuse-ld=bfd`)",
        rustflags: "-Clinker-features=-lld -Clink-arg=-fuse-ld=bfd",
        ..PLAIN
    },
    Build {
        name: "compressed",
        what: "`-C link-arg=-Wl,--compress-debug-sections=zlib`",
        rustflags: "-Clink-arg=-Wl,--compress-debug-sections=zlib",
        ..PLAIN
    },
    Build {
        name: "for-c",
        what: "a `cdylib` that a C program loads",
        is_quick: true,
        kind: Kind::ForC,
        ..PLAIN
    },
    Build {
        name: "for-python",
        what: "a `cdylib` that Python loads",
        is_quick: true,
        kind: Kind::ForPython,
        ..PLAIN
    },
    Build {
        name: "aarch64",
        what: "Linux on aarch64, emulated by qemu-user",
        kind: Kind::Aarch64,
        ..PLAIN
    },
];
