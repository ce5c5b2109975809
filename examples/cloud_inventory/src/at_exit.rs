//! What the service leaves behind when it has stopped.

use std::fs::{self, File};
use std::path::Path;

use heapprof::PprofOptions;

use crate::Result;

/// Nobody can ask for profiles any more, so they are the program's own to write. That
/// takes memory too, and comes therefore after the last stage.
pub(crate) fn write_stages(folder: &Path) -> Result<()> {
    let stages = heapprof::stages();
    for number in stages.iter().map(|stage| stage.number) {
        let snapshot = stages
            .snapshot(number)
            .ok_or("no more than 64 stages are kept")?;
        let mut file = File::create(folder.join(format!("step-{number}.pb.gz")))?;
        snapshot.write_pprof(&mut file, PprofOptions::default())?;
    }
    fs::write(folder.join("stages.txt"), stages.to_string())?;
    fs::write(folder.join("stages.md"), stages.to_markdown())?;
    fs::write(folder.join("stages.csv"), stages.to_csv())?;
    Ok(())
}
