//! Nothing to build: cargo asks for a build script where `links` is set. It
//! names the targets whose stacks are unwound by call frame information.
use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cfi)");
    let os = env::var("CARGO_CFG_TARGET_OS");
    let arch = env::var("CARGO_CFG_TARGET_ARCH");
    if os.as_deref() == Ok("linux") && matches!(arch.as_deref(), Ok("x86_64" | "aarch64")) {
        println!("cargo::rustc-cfg=cfi");
    }
}
