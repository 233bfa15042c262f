//! What tasks write: one file each, of which the end is kept.
//!
//! A task writes into its file itself, so that it goes on when the daemon is gone. Where the file grows too long,
//! its beginning is given back to the file system as a hole: nothing that is being written is lost, and a place in
//! the output keeps its offset.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use preview_core::id::TaskId;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tokio::sync::watch;

use super::Task;

/// Bytes of output that are always kept; twice as many at most, plus what is written within [`TRIM_EVERY`].
pub(crate) const KEPT: u64 = 8 << 20;
/// How often a running task's file is looked at.
pub(crate) const TRIM_EVERY: Duration = Duration::from_secs(1);
/// How often a follower looks for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);
/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Bytes at the end among which last lines are looked for.
const TAIL: u64 = 64 << 10;
/// Characters of a quoted line.
const LINE: usize = 500;

/// Where a task's output lies.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    path: PathBuf,
}

/// Cuts what a file has too much of; remembers how far it has.
#[derive(Debug)]
pub(crate) struct Trim {
    log: Log,
    given_back: u64,
}

struct Follower {
    log: Log,
    at: Option<u64>,
    task: watch::Receiver<Task>,
    follow: bool,
}

impl Log {
    /// The output of that task.
    pub(crate) fn of(folder: &Path, id: &TaskId) -> Self {
        Self { path: folder.join(format!("{id}.log")) }
    }

    /// Makes the file, for the task to append to.
    pub(crate) fn create(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(&self.path)
    }

    /// Forgets the output.
    pub(crate) fn remove(&self) {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "cannot remove a task's output");
            }
            _ => {}
        }
    }

    /// The last lines that have something in them, at most so many.
    pub(crate) fn last_lines(&self, most: usize) -> Vec<String> {
        let Ok((file, size)) = self.open() else { return Vec::new() };
        let start = size.saturating_sub(TAIL.min(KEPT));
        let bytes = read_at(&file, start, usize::try_from(size - start).unwrap_or(CHUNK)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let mut last: Vec<String> =
            lines.rev().take(most).map(|line| line.chars().take(LINE).collect()).collect();
        last.reverse();
        last
    }

    /// What is kept; with `follow`, also what comes until the task has ended.
    pub(crate) fn read(self, task: watch::Receiver<Task>, follow: bool) -> BoxStream<'static, Bytes> {
        let follower = Follower { log: self, at: None, task, follow };
        stream::unfold(follower, |mut follower| async { Some((follower.next().await?, follower)) }).boxed()
    }

    fn open(&self) -> io::Result<(File, u64)> {
        let file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// The next piece from `at`, and where it ends. From `None`: the first that is kept, from a line's beginning.
    fn piece(&self, at: Option<u64>) -> io::Result<(Bytes, u64)> {
        let (file, size) = self.open()?;
        let oldest = size.saturating_sub(KEPT);
        // A file that became shorter was emptied by its task: it starts anew.
        let start = at.filter(|at| *at <= size).map_or(oldest, |at| at.max(oldest));
        let mut bytes = read_at(&file, start, CHUNK)?;
        let end = start + bytes.len() as u64;
        if at.is_none() && start > 0 {
            let line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            bytes.drain(..line);
        }
        Ok((bytes.into(), end))
    }
}

impl Trim {
    /// Nothing is cut yet.
    pub(crate) const fn new(log: Log) -> Self {
        Self { log, given_back: 0 }
    }

    /// Gives back what is over [`KEPT`], if that is as much again. A moment's work.
    pub(crate) fn cut(&mut self) -> io::Result<()> {
        let size = std::fs::metadata(&self.log.path)?.len();
        if size < self.given_back {
            self.given_back = 0;
        }
        if size - self.given_back <= 2 * KEPT {
            return Ok(());
        }
        let upto = size - KEPT;
        let file = OpenOptions::new().write(true).open(&self.log.path)?;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&file, hole, 0, upto) {
            Ok(()) => self.given_back = upto,
            // A file system without holes: better to lose old lines than the disk.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(0)?,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // Asked before reading, so that the last words of a task that ends now are still read.
            let ended = !self.task.borrow_and_update().running;
            let (log, at) = (self.log.clone(), self.at);
            let read = tokio::task::spawn_blocking(move || log.piece(at)).await.ok()?;
            let (bytes, end) = read.ok()?;
            let went_on = self.at != Some(end);
            self.at = Some(end);
            if !bytes.is_empty() {
                return Some(bytes);
            }
            if !went_on && (ended || !self.follow) {
                return None;
            }
            if !went_on {
                let _ = tokio::time::timeout(FOLLOW_EVERY, self.task.changed()).await;
            }
        }
    }
}

fn read_at(file: &File, start: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut filled = 0;
    while filled < most {
        match file.read_at(&mut bytes[filled..], start + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    use preview_core::clock::Wall;
    use preview_core::id::{SessionId, UserId};

    use super::*;
    use crate::processes::ProcessId;

    #[tokio::test]
    async fn a_file_that_grows_too_long_gives_back_its_beginning_and_no_line_of_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log(&folder);
        let mut file = log.create().expect("made");
        let mut trim = Trim::new(log.clone());
        let line = format!("{}\n", "x".repeat(1023));
        for n in 0..4 * KEPT / 1024 {
            file.write_all(line.as_bytes()).expect("written");
            if n % 1024 == 0 {
                trim.cut().expect("cut");
            }
        }
        writeln!(file, "the end").expect("written");
        trim.cut().expect("cut");
        let on_disk = std::fs::metadata(&log.path).expect("there").blocks() * 512;
        assert!(on_disk <= 2 * KEPT + (2 << 20), "{on_disk} bytes");
        let (_sender, task) = watch::channel(task(false));
        let kept: Vec<Bytes> = log.clone().read(task, false).collect().await;
        let text = String::from_utf8(kept.concat()).expect("no hole is shown");
        assert!(text.len() as u64 > KEPT - 2048, "{}", text.len());
        assert!(text.starts_with(&line) && text.ends_with("the end\n"));
        assert!(!text.contains('\0'));
        assert_eq!(log.last_lines(1), ["the end"]);
    }

    #[tokio::test]
    async fn a_follower_sees_each_line_as_it_comes_and_the_last_words_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log(&folder);
        let mut file = log.create().expect("made");
        let (sender, receiver) = watch::channel(task(true));
        let mut lines = log.read(receiver, true);
        file.write_all(b"one\n").expect("written");
        assert_eq!(lines.next().await.expect("more"), "one\n");
        file.write_all(b"two\n").expect("written");
        assert_eq!(lines.next().await.expect("more"), "two\n");
        file.write_all(b"last words").expect("written");
        sender.send_modify(|task| task.running = false);
        assert_eq!(lines.next().await.expect("more"), "last words");
        assert_eq!(lines.next().await, None);
    }

    #[tokio::test]
    async fn who_does_not_follow_gets_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log(&folder);
        log.create().expect("made").write_all(b"so far\n").expect("written");
        let (_sender, receiver) = watch::channel(task(true));
        assert_eq!(log.read(receiver, false).collect::<Vec<_>>().await, ["so far\n"]);
    }

    #[test]
    fn last_lines_are_few_and_short() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log(&folder);
        let text = format!("one\n\ntwo\r\n{}\n", "y".repeat(2_000));
        log.create().expect("made").write_all(text.as_bytes()).expect("written");
        assert_eq!(log.last_lines(2), ["two".to_owned(), "y".repeat(500)]);
    }

    fn log(folder: &tempfile::TempDir) -> Log {
        Log::of(folder.path(), &TaskId::from_entropy([1; 17]))
    }

    fn task(running: bool) -> Task {
        Task {
            id: TaskId::from_entropy([1; 17]),
            session: SessionId::new("s").expect("valid"),
            user: UserId::new("u").expect("valid"),
            name: None,
            command: vec!["true".into()],
            cwd: "/".into(),
            started: Wall::default(),
            leader: ProcessId { pid: 1, start_time: 0 },
            running,
            exit_code: None,
            hint: None,
        }
    }
}
