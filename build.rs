//! Nothing to build: cargo asks for a build script where `links` is set. It
//! sets `cfi` for the targets whose stacks are unwound by call frame information
//! and whose programs are read as ELF; the others go by the `backtrace` crate. Of
//! those, `interrupts` for features that capture stacks from signal handlers.
use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cfi)");
    println!("cargo::rustc-check-cfg=cfg(interrupts)");
    let os = env::var("CARGO_CFG_TARGET_OS");
    let arch = env::var("CARGO_CFG_TARGET_ARCH");
    let is_known =
        os.as_deref() == Ok("linux") && matches!(arch.as_deref(), Ok("x86_64" | "aarch64"));
    let is_overruled = env::var_os("CARGO_CFG_HEAPPROF_PORTABLE").is_some();
    if is_known && !is_overruled {
        println!("cargo::rustc-cfg=cfi");
        let has_feature = |name: &str| env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
        if has_feature("CPU") || has_feature("THREADS") {
            println!("cargo::rustc-cfg=interrupts");
        }
    }
}
