//! The nine steps in short, to their end: the program checks what it shows.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn nine_steps_show_who_owns_the_image_list() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nine-steps");
    // A picture of an earlier run would do for a missing one.
    let _ = fs::remove_dir_all(&folder);
    let output = Command::new(env!("CARGO_BIN_EXE_cloud_inventory"))
        .args(["--short", "--folder"])
        .arg(&folder)
        .output()
        .expect("the program starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");

    assert!(
        printed.contains("cloud_inventory::images::render"),
        "{printed}"
    );
    let table = fs::read_to_string(folder.join("stages.csv")).expect("the service wrote it");
    assert_eq!(table.lines().count(), 10, "{table}");
    for step in 1..=9 {
        let profile = fs::read(folder.join(format!("step-{step}.pb.gz"))).expect("it was kept");
        assert_eq!(profile[..2], [0x1f, 0x8b], "step {step} is gzip");
    }
    let picture = fs::read(folder.join("step-3.png")).expect("pprof and graphviz are installed");
    assert_eq!(&picture[1..4], b"PNG");
}
