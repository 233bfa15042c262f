//! Bearer keys and what each may do, from `api.keys_file`.
//!
//! One key a line: its scope, then the key or its digest. `#` begins a comment.
//!
//! ```text
//! admin        sha256:0f2c…            # `printf %s KEY | sha256sum`
//! user:ada     sha256:77ab…
//! session:s-1  3q1WJt8mV0c9eXrY5uKzLg   # in the clear: only in a file that nobody else may read
//! edge         sha256:9e01…
//! ```

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER_PERMISSIVE;
use preview_core::command::Authority;
use preview_core::id::{SessionId, UserId};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use thiserror::Error;

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyScope {
    /// Act, within this authority.
    Acts(Authority),
    /// What edges do: follow routes, report activity, ask about listeners.
    Edge,
}

/// The keys file, read again when it changes.
#[derive(Debug)]
pub(crate) struct KeysFile {
    path: PathBuf,
    read: Mutex<Read>,
}

/// A file that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum KeysError {
    /// It cannot be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others could read or change it.
    #[error("{path} {problem}")]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A line makes no sense. It is not quoted: it may hold a key.
    #[error("{path}:{line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it, and what is allowed.
        problem: &'static str,
    },
}

impl KeysFile {
    /// Reads the file.
    pub(crate) fn open(path: &Path) -> Result<Self, KeysError> {
        let (stamp, keys) = read(path)?;
        Ok(Self {
            path: path.to_owned(),
            read: Mutex::new(Read { stamp: Some(stamp), keys: Arc::new(keys) }),
        })
    }

    /// What `given` may do, if it is a key. A file that has become unusable leaves the last good keys in force.
    pub(crate) fn scope_of(&self, given: &str) -> Option<KeyScope> {
        let keys = self.current();
        let given = digest(given);
        // Every key is compared, whichever matches, so that time tells nothing of them.
        let mut found = u32::MAX;
        for (at, key) in (0_u32..).zip(keys.iter()) {
            found = u32::conditional_select(&found, &at, key.digest.ct_eq(&given));
        }
        keys.get(usize::try_from(found).ok()?).map(|key| key.scope.clone())
    }

    fn current(&self) -> Arc<Vec<Key>> {
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = std::fs::symlink_metadata(&self.path).ok().map(|it| Stamp::of(&it));
        if stamp != last.stamp {
            match read(&self.path) {
                Ok((stamp, keys)) => {
                    tracing::info!(file = %self.path.display(), keys = keys.len(), "keys file read again");
                    *last = Read { stamp: Some(stamp), keys: Arc::new(keys) };
                }
                Err(error) => {
                    tracing::error!(%error, "keys file cannot be used, the last good keys stay in force");
                    last.stamp = stamp;
                }
            }
        }
        Arc::clone(&last.keys)
    }
}

#[derive(Debug)]
struct Read {
    stamp: Option<Stamp>,
    keys: Arc<Vec<Key>>,
}

struct Key {
    digest: [u8; 32],
    scope: KeyScope,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?}, …)", self.scope)
    }
}

/// By what a changed file is told: any write, replacement or change of mode changes one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(it: &Metadata) -> Self {
        Self { inode: it.ino(), size: it.size(), changed: (it.ctime(), it.ctime_nsec()) }
    }
}

/// The fewest characters of a key: fewer could be guessed.
const LEAST: usize = 20;
/// The most bytes of a keys file.
const MOST_BYTES: u64 = 1 << 20;

fn read(path: &Path) -> Result<(Stamp, Vec<Key>), KeysError> {
    let io = |source| KeysError::Io { path: path.to_owned(), source };
    let not_safe = |problem: &str| KeysError::Unsafe { path: path.to_owned(), problem: problem.to_owned() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
        rustix::io::Errno::LOOP => not_safe("is a symbolic link: name the file itself"),
        errno => io(errno.into()),
    })?);
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() || meta.size() > MOST_BYTES {
        return Err(not_safe("is not a file of at most 1 MiB"));
    }
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != own && meta.uid() != 0 {
        return Err(not_safe("belongs to another user: chown it to root or to the daemon's user"));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(not_safe("can be changed by others: chmod 600"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(io)?;
    let lines =
        parse(&text).map_err(|(line, problem)| KeysError::Line { path: path.to_owned(), line, problem })?;
    // systemd hands credentials over as root's, and lets the service in by an ACL, which shows as the group's bits.
    let is_shared = meta.mode() & 0o004 != 0 || meta.mode() & 0o040 != 0 && meta.gid() != 0;
    if is_shared && lines.iter().any(|line| line.in_the_clear) {
        return Err(not_safe(
            "holds keys in the clear and can be read by others: chmod 600, or keep digests",
        ));
    }
    Ok((Stamp::of(&meta), lines.into_iter().map(|line| line.key).collect()))
}

struct Line {
    key: Key,
    in_the_clear: bool,
}

fn parse(text: &str) -> Result<Vec<Line>, (usize, &'static str)> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let at = |problem| (number, problem);
        let Some(scope) = words.next() else { continue };
        let key = words.next().ok_or(at("a scope without a key: SCOPE KEY"))?;
        if words.next().is_some() {
            return Err(at("more than a scope and a key"));
        }
        let scope = scope_named(scope).ok_or(at("the scope is none of admin, user:ID, session:ID, edge"))?;
        let (digest, in_the_clear) = match key.strip_prefix("sha256:") {
            Some(hex) => (digest_in(hex).ok_or(at("sha256: is not followed by 64 hex digits"))?, false),
            None if key.len() < LEAST => return Err(at("a key shorter than 20 characters can be guessed")),
            None => (digest(key), true),
        };
        lines.push(Line { key: Key { digest, scope }, in_the_clear });
    }
    Ok(lines)
}

fn scope_named(text: &str) -> Option<KeyScope> {
    match text.split_once(':') {
        None if text == "admin" => Some(KeyScope::Acts(Authority::Admin)),
        None if text == "edge" => Some(KeyScope::Edge),
        Some(("user", id)) => UserId::new(id).ok().map(|id| KeyScope::Acts(Authority::User(id))),
        Some(("session", id)) => SessionId::new(id).ok().map(|id| KeyScope::Acts(Authority::Session(id))),
        _ => None,
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn digest_in(hex: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    const KEY: &str = "correct-horse-battery-staple";

    #[test]
    fn a_key_in_the_clear_and_its_digest_are_the_same_key() {
        let digest = data_encoding::HEXUPPER.encode(&digest(KEY));
        let folder = Folder::new(&format!("# ours\n\nuser:ada sha256:{digest} # hers\nedge {KEY}2\n"), 0o600);
        let keys = folder.open().expect("good");
        assert_eq!(
            keys.scope_of(KEY),
            Some(KeyScope::Acts(Authority::User(UserId::new("ada").expect("id"))))
        );
        assert_eq!(keys.scope_of(&format!("{KEY}2")), Some(KeyScope::Edge));
        for wrong in ["", "correct", &digest, &format!("sha256:{digest}")] {
            assert_eq!(keys.scope_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_in_the_clear_are_refused_where_others_may_read_and_digests_are_not() {
        let clear = Folder::new(&format!("admin {KEY}\n"), 0o644);
        assert!(clear.open().expect_err("readable").to_string().contains("chmod 600"));
        let digests = Folder::new(&format!("admin sha256:{}\n", "0".repeat(64)), 0o644);
        assert!(digests.open().is_ok());
        let writable = Folder::new("", 0o620);
        assert!(writable.open().expect_err("writable").to_string().contains("can be changed by others"));
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let folder = Folder::new("", 0o600);
        let link = folder.0.path().join("link");
        symlink(folder.path(), &link).expect("link");
        let error = KeysFile::open(&link).expect_err("a link");
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn a_changed_file_counts_at_once_and_a_broken_one_leaves_the_last_good_keys() {
        let folder = Folder::new(&format!("admin {KEY}\n"), 0o600);
        let keys = folder.open().expect("good");
        folder.write(&format!("admin {KEY}-new\n"), 0o600);
        assert_eq!(keys.scope_of(KEY), None);
        assert!(keys.scope_of(&format!("{KEY}-new")).is_some());
        folder.write("nonsense\n", 0o600);
        assert!(keys.scope_of(&format!("{KEY}-new")).is_some());
    }

    #[test]
    fn an_error_names_the_line_and_never_quotes_it() {
        let folder = Folder::new(&format!("admin {KEY}\nadmin short\n"), 0o600);
        let error = folder.open().expect_err("short").to_string();
        assert!(error.ends_with(":2: a key shorter than 20 characters can be guessed"), "{error}");
        for line in ["root xxxxxxxxxxxxxxxxxxxxxxxx", "user: x", "admin", "admin a b", "edge sha256:12"] {
            let error = Folder::new(line, 0o600).open().expect_err(line).to_string();
            assert!(error.contains(":1: ") && !error.contains("xxx"), "{error}");
        }
    }

    struct Folder(TempDir);

    impl Folder {
        fn new(text: &str, mode: u32) -> Self {
            let folder = Self(tempfile::tempdir().expect("folder"));
            folder.write(text, mode);
            folder
        }

        fn write(&self, text: &str, mode: u32) {
            std::fs::write(self.path(), text).expect("write");
            std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(mode)).expect("mode");
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("keys")
        }

        fn open(&self) -> Result<KeysFile, KeysError> {
            KeysFile::open(&self.path())
        }
    }
}
