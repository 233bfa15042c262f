//! `preview render`: configurations for other proxies and for the system.

use std::fs;
use std::path::Path;

use crate::args::Render;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::{self, File, Plan};

pub(super) fn run(context: &Context, args: &Render) -> Result<(), Failure> {
    let plan = Plan::new(context, args)?;
    let folder = args.output.as_deref().map(std::path::absolute).transpose();
    let folder = folder.map_err(Failure::io("cannot tell where --output lies"))?;
    let mut files = render::files(args.proxy, &plan, folder.as_deref())?;
    if let Some(only) = &args.only {
        let names: Vec<_> = files.iter().map(|file| file.name).collect();
        let wrong = format!("there is no {only}: {} has {}", args.proxy.name(), names.join(" and "));
        files.retain(|file| file.name == only);
        if files.is_empty() {
            return Err(Failure::usage(wrong, "give one of these to --only"));
        }
    }
    match (&folder, files.as_slice()) {
        (Some(path), [file]) if !is_folder(path) => write(path, file),
        (Some(folder), files) => {
            fs::create_dir_all(folder).map_err(Failure::io(format!("cannot make {}", folder.display())))?;
            files.iter().try_for_each(|file| write(&folder.join(file.name), file))?;
            Ok(())
        }
        (None, [file]) => {
            let _ = context.output.bytes(file.text.as_bytes());
            Ok(())
        }
        (None, files) => {
            for file in files {
                let mark =
                    if Path::new(file.name).extension().is_some_and(|it| it == "lua") { "--" } else { "#" };
                let _ = context
                    .output
                    .bytes(format!("{mark} ===== {} =====\n{}\n", file.name, file.text).as_bytes());
            }
            context.output.note("--output FOLDER writes them as files, --only FILE prints one");
            Ok(())
        }
    }
}

fn write(path: &Path, file: &File) -> Result<(), Failure> {
    fs::write(path, &file.text).map_err(Failure::io(format!("cannot write {}", path.display())))
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}
