use anyhow::{Context, Result};
use xtask::smoke::rehearsal::PARTS;

#[test]
fn every_part_of_the_seeds_rehearsal_works() -> Result<()> {
    for part in PARTS {
        (part.play)().context(part.name)?;
    }
    Ok(())
}
