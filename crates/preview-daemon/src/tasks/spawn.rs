//! Starts a task's first process: leader of a session of its own, as the user that tasks have.
//!
//! Programs of util-linux do what needs `unsafe` here: `setsid` begins the session, `setpriv` becomes the user. Each
//! replaces itself with the next, so the process that is started is the task's leader. Where there are rights to be
//! dropped, nothing that the caller chose is touched before they are: neither folder (it may be one that only we
//! may enter) nor environment (`LD_PRELOAD`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::User;
use procfs::process::Process;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::{NewTask, TaskFailure};
use crate::config::TasksConfig;

/// The variable by which a task's processes are known where neither descent nor session tell: its value is the id.
pub(crate) const COOKIE: &str = "PREVIEW_TASK";

/// Where util-linux is, whatever the task's own `PATH` says.
const SYSTEM_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The mode of another user's output. The folder above lets nobody in, so only whoever has it as standard output already
/// can open it anew (`/dev/stdout`). It stays ours to read, which a file of that user's would be for root alone.
const OPEN_TO_WRITERS: u32 = 0o622;

/// Run as the user that tasks have: takes the environment from standard input, enters the folder, becomes the
/// command.
const ENTER: &str = r#"eval "$(cat)" && cd -- "$1" && shift && exec "$@" </dev/null"#;

/// Who tasks run as.
#[derive(Clone, Debug)]
enum Identity {
    /// As the daemon, which has no rights to lose.
    Same,
    /// As this user.
    Other(User),
}

/// A start that only has to be made.
struct Prepared {
    command: Command,
    /// For standard input, where the environment goes in that way.
    input: Vec<u8>,
}

/// Starts it, with its output going to `log`.
pub(crate) async fn spawn(config: &TasksConfig, new: &NewTask, log: File) -> Result<Child, TaskFailure> {
    let (config, new) = (config.clone(), new.clone());
    // Users and files may be on another host.
    let prepared = tokio::task::spawn_blocking(move || prepare(&config, &new, log)).await;
    let mut prepared = prepared.map_err(|error| TaskFailure::Start(io::Error::other(error)))??;
    let mut child = prepared.command.spawn().map_err(TaskFailure::Start)?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(&prepared.input).await {
            // A leader that has ended already says why in its output.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(TaskFailure::Start(error)),
            _ => {}
        }
    }
    Ok(child)
}

/// Whom tasks run as; nobody if the configured user is none of this system's.
pub(crate) fn uid(config: &TasksConfig) -> Option<u32> {
    match &config.user {
        Some(name) => user(name).ok().map(|user| user.uid.as_raw()),
        None => Some(rustix::process::geteuid().as_raw()),
    }
}

fn prepare(config: &TasksConfig, new: &NewTask, log: File) -> Result<Prepared, TaskFailure> {
    let identity = identity(config)?;
    let env = environment(config, new, &identity);
    check(new, &env)?;
    let mut prepared = match &identity {
        Identity::Same => Prepared { command: plain(new, &env), input: Vec::new() },
        Identity::Other(user) => {
            log.set_permissions(Permissions::from_mode(OPEN_TO_WRITERS)).map_err(TaskFailure::Start)?;
            Prepared { command: switching(new, user), input: as_shell(env) }
        }
    };
    let output = log.try_clone().map_err(TaskFailure::Start)?;
    prepared.command.stdout(output).stderr(log);
    Ok(prepared)
}

fn plain(new: &NewTask, env: &BTreeMap<String, OsString>) -> Command {
    let mut command = Command::new(system_program("setsid"));
    command.arg("--").args(&new.command).env_clear().envs(env).current_dir(&new.cwd).stdin(Stdio::null());
    command
}

fn switching(new: &NewTask, user: &User) -> Command {
    let mut command = Command::new(system_program("setpriv"));
    command
        .arg(format!("--reuid={}", user.uid))
        .arg(format!("--regid={}", user.gid))
        .args(["--init-groups", "--inh-caps=-all", "--ambient-caps=-all", "--"])
        .arg(system_program("setsid"))
        .args(["--", "/bin/sh", "-c", ENTER, "sh", &new.cwd])
        .args(&new.command)
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .current_dir("/")
        .stdin(Stdio::piped());
    command
}

fn identity(config: &TasksConfig) -> Result<Identity, TaskFailure> {
    let own = rustix::process::geteuid().as_raw();
    // Rights that a service manager grants would go on to the task like root's.
    let privileged =
        own == 0 || Process::myself().and_then(|me| me.status()).map_or(true, |it| it.capeff != 0);
    let user = config.user.as_deref().map(user).transpose()?;
    match user {
        None if privileged => Err(TaskFailure::NoUser),
        None => Ok(Identity::Same),
        Some(user) if !privileged && user.uid.as_raw() == own => Ok(Identity::Same),
        Some(user) if !privileged => Err(TaskFailure::CannotBecome(user.name)),
        Some(user) => Ok(Identity::Other(user)),
    }
}

fn user(name: &str) -> Result<User, TaskFailure> {
    User::from_name(name).ok().flatten().ok_or_else(|| TaskFailure::CannotBecome(name.to_owned()))
}

/// What configuration passes on, what the user's login would set, and what the caller gives, which wins.
fn environment(config: &TasksConfig, new: &NewTask, identity: &Identity) -> BTreeMap<String, OsString> {
    let passed = config.env_pass.iter().filter_map(|name| Some((name.clone(), std::env::var_os(name)?)));
    let mut env: BTreeMap<String, OsString> = passed.collect();
    if let Identity::Other(user) = identity {
        env.insert("HOME".into(), user.dir.clone().into());
        env.insert("SHELL".into(), user.shell.clone().into());
        env.extend(["USER", "LOGNAME"].map(|name| (name.into(), OsString::from(&user.name))));
    }
    env.extend(new.env.iter().map(|(name, value)| (name.clone(), value.into())));
    env.insert(COOKIE.into(), new.id.as_str().into());
    env
}

/// What can be said before it is tried.
fn check(new: &NewTask, env: &BTreeMap<String, OsString>) -> Result<(), TaskFailure> {
    let invalid = |field, why: String| Err(TaskFailure::Invalid { field, why });
    let Some(program) = new.command.first().filter(|program| !program.is_empty()) else {
        return invalid("command", "is empty: give a program and its arguments".into());
    };
    if new.command.iter().any(|word| word.contains('\0')) {
        return invalid("command", "has a NUL character".into());
    }
    let folder = Path::new(&new.cwd);
    if !folder.is_absolute() || !folder.is_dir() {
        return invalid("cwd", format!("{:?} is not the absolute path of a folder", new.cwd));
    }
    if let Some(name) = new.env.keys().find(|name| !is_variable(name)) {
        return invalid("env", format!("{name:?} is not a name of letters, digits and _"));
    }
    if let Some(name) = new.env.iter().find_map(|(name, value)| value.contains('\0').then_some(name)) {
        return invalid("env", format!("{name} has a NUL character"));
    }
    let path = env.get("PATH").map_or_else(|| SYSTEM_PATH.into(), Clone::clone);
    if find(program, folder, &path).is_none() {
        return invalid("command", format!("no program {program:?} in {}", path.to_string_lossy()));
    }
    Ok(())
}

fn find(program: &str, folder: &Path, path: &OsString) -> Option<PathBuf> {
    let found = |at: PathBuf| at.is_file().then_some(at);
    if program.contains('/') {
        return found(folder.join(program));
    }
    std::env::split_paths(path).find_map(|part| found(folder.join(part).join(program)))
}

fn system_program(name: &str) -> PathBuf {
    find(name, Path::new("/"), &SYSTEM_PATH.into()).unwrap_or_else(|| Path::new("/usr/bin").join(name))
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `export` lines that a POSIX shell reads back as these variables and nothing else.
fn as_shell(env: BTreeMap<String, OsString>) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in env.into_iter().filter(|(name, _)| is_variable(name)) {
        text.extend_from_slice(format!("export {name}='").as_bytes());
        for byte in value.into_vec() {
            match byte {
                b'\'' => text.extend_from_slice(br"'\''"),
                other => text.push(other),
            }
        }
        text.extend_from_slice(b"'\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let value = "it's $HOME `id` \"quoted\" \\ and\na second line";
        let env = BTreeMap::from([("GIVEN".to_owned(), OsString::from(value))]);
        let script = format!("{}printf %s \"$GIVEN\"", String::from_utf8(as_shell(env)).expect("text"));
        let shell = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&shell.stdout), value);
    }

    #[test]
    fn a_variable_has_a_name_that_a_shell_takes() {
        assert!(["PATH", "_x", "A1"].into_iter().all(is_variable));
        assert!(!["", "1A", "A-B", "A=B", "A B", "Ä", "$(id)"].into_iter().any(is_variable));
    }
}
