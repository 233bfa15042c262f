//! A certificate and its key in files that somebody else renews.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use preview_core::clock::Wall;
use rustix::process::geteuid;

use super::pair::{self, Shown};
use super::secret::TOO_OPEN;
use super::{CertError, CertProblem};

/// The two files, and what they looked like when they were last read.
#[derive(Debug)]
pub(super) struct Files {
    cert: PathBuf,
    key: PathBuf,
    looked: [Option<Look>; 2],
}

/// What changes when a file does: device, inode, length, time of change with its nanoseconds.
pub(super) type Look = (u64, u64, u64, i64, i64);

impl Files {
    pub(super) fn load(cert: PathBuf, key: PathBuf, now: Wall) -> Result<(Self, Shown), CertError> {
        let looked = [look(&cert), look(&key)];
        let shown = read(&cert, &key, now)?;
        Ok((Self { cert, key, looked }, shown))
    }

    /// What the files hold, if they have changed. A pair that cannot be used is told of once, and read again when a
    /// file changes again: renewal replaces one after the other.
    pub(super) fn look(&mut self, now: Wall) -> Result<Option<Shown>, CertError> {
        let looked = [look(&self.cert), look(&self.key)];
        if looked == self.looked {
            return Ok(None);
        }
        self.looked = looked;
        read(&self.cert, &self.key, now).map(Some)
    }
}

pub(super) fn read(cert: &Path, key: &Path, now: Wall) -> Result<Shown, CertError> {
    let problem = |file: &Path, problem| CertError { file: file.to_owned(), problem };
    let unreadable = |file| move |error| problem(file, CertProblem::Unreadable(error));
    // A renewing program's link leads to its key; a link that somebody else planted could lead anywhere.
    let link = fs::symlink_metadata(key).map_err(unreadable(key))?;
    if link.is_symlink() && link.uid() != 0 && link.uid() != geteuid().as_raw() {
        return Err(problem(key, CertProblem::Link(link.uid())));
    }
    let mode = fs::metadata(key).map_err(unreadable(key))?.permissions().mode() & 0o7777;
    if mode & TOO_OPEN != 0 {
        return Err(problem(key, CertProblem::Mode(mode)));
    }
    let chain = fs::read(cert).map_err(unreadable(cert))?;
    let secret = fs::read(key).map_err(unreadable(key))?;
    pair::read((cert, &chain), (key, &secret), now)
}

pub(super) fn look(path: &Path) -> Option<Look> {
    let look = |it: Metadata| (it.dev(), it.ino(), it.len(), it.mtime(), it.mtime_nsec());
    fs::metadata(path).ok().map(look)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_read_again_when_it_changes_and_refused_when_it_does_not_fit() {
        let dir = tempfile::tempdir().expect("a folder");
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let (one, other) = (make("a.example.com"), make("b.example.com"));
        write(&cert, &one.0);
        write(&key, &one.1);
        let (mut files, shown) = Files::load(cert.clone(), key.clone(), NOW).expect("a pair");
        assert!(shown.names.covers("a.example.com"));
        assert!(files.look(NOW).expect("unchanged").is_none());

        write(&cert, &other.0);
        let error = files.look(NOW).expect_err("half a renewal");
        assert!(matches!(error.problem, CertProblem::Mismatch) && error.file == key, "{error}");
        assert!(files.look(NOW).expect("told once").is_none());
        write(&key, &other.1);
        assert!(files.look(NOW).expect("whole").expect("new").names.covers("b.example.com"));
    }

    #[test]
    fn an_error_names_the_file_and_the_reason() {
        let dir = tempfile::tempdir().expect("a folder");
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let load = |now| Files::load(cert.clone(), key.clone(), now).expect_err("refused").to_string();
        assert!(load(NOW).contains("key.pem: cannot be read"), "{}", load(NOW));
        let (chain, secret) = make("a.example.com");
        write(&key, &secret);
        write(&cert, "no PEM");
        assert!(load(NOW).contains("cert.pem: holds no certificate"), "{}", load(NOW));
        write(&cert, &chain);
        assert!(load(Wall::from_secs(1 << 40)).contains("cert.pem: expired"));
        fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("mine");
        assert!(load(NOW).contains("key.pem: its mode is 0644"), "{}", load(NOW));
    }

    #[test]
    fn a_key_is_read_through_a_link_of_roots_or_our_own_and_not_of_somebody_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let (cert, key, link) =
            (dir.path().join("cert.pem"), dir.path().join("key.pem"), dir.path().join("link"));
        let (chain, secret) = make("a.example.com");
        write(&cert, &chain);
        write(&key, &secret);
        std::os::unix::fs::symlink(&key, &link).expect("linked");
        assert!(read(&cert, &link, NOW).is_ok(), "as certbot links");
        // Only root can give a link away.
        if geteuid().is_root() {
            std::os::unix::fs::lchown(&link, Some(65_534), None).expect("given away");
            let text = read(&cert, &link, NOW).expect_err("planted").to_string();
            assert!(text.contains("link: is a symbolic link of uid 65534"), "{text}");
        }
    }

    const NOW: Wall = Wall::from_secs(1_800_000_000);

    fn make(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn write(path: &Path, text: &str) {
        let _ = fs::remove_file(path);
        fs::write(path, text).expect("written");
        fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("mine");
    }
}
