//! Chooses the symbolizer's back end as heapprof's own build script does.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cfi)");
    println!("cargo::rustc-cfg=cfi");
}
