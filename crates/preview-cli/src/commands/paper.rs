//! `preview completions` and `preview man`: made from the command tree itself.

use std::fs;
use std::path::Path;

use clap_complete::Shell;

use crate::args;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn completions(output: Output, shell: Shell) {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "preview", &mut text);
    let _ = output.bytes(&text);
}

pub(super) fn man(output: Output, folder: Option<&Path>) -> Result<(), Failure> {
    if let Some(folder) = folder {
        let failed = || Failure::io(format!("cannot write manual pages to {}", folder.display()));
        fs::create_dir_all(folder).map_err(failed())?;
        return clap_mangen::generate_to(args::command(), folder).map_err(failed());
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(args::command())
        .render(&mut text)
        .map_err(Failure::io("cannot make the manual page"))?;
    let _ = output.bytes(&text);
    Ok(())
}
