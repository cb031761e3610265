//! Detects changes of files at runtime.
//!
//! It polls the files' metadata instead of using inotify, since polling detects every way of replacing a file (Kubernetes swaps a symbolic
//! link two directories up).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Polling interval. A change counts once two polls saw the same metadata: a file may be half written.
const LOOK: Duration = Duration::from_millis(150);

/// The watched files and their metadata when they were last read. While the first file is missing, no change is reported.
#[derive(Debug)]
pub struct Edits {
    paths: Vec<PathBuf>,
    /// `None` before the first read, when the metadata is unknown.
    read: Option<Vec<Option<Stamp>>>,
    last: Vec<Option<Stamp>>,
    looked: Instant,
}

/// A file's identity and version: device, inode, size, and the times when its content and its metadata changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp(u64, u64, u64, (i64, i64), (i64, i64));

impl Edits {
    pub fn of(paths: Vec<PathBuf>) -> Self {
        Self { paths, read: None, last: Vec::new(), looked: Instant::now() }
    }

    /// Replaces the watched files.
    pub fn follow(&mut self, paths: Vec<PathBuf>) {
        if self.paths != paths {
            *self = Self::of(paths);
        }
    }

    /// Polls if it is due, and returns whether the files have to be read again.
    pub fn look(&mut self) -> bool {
        if self.looked.elapsed() < LOOK {
            return false;
        }
        self.looked = Instant::now();
        self.news(self.paths.iter().map(|path| stamp(path)).collect())
    }

    /// Whether two polls found the same metadata, and it differs from the last read.
    fn news(&mut self, found: Vec<Option<Stamp>>) -> bool {
        let settled = self.last == found;
        self.last.clone_from(&found);
        // If the first file is missing, it is about to be replaced or being edited. It may no longer name the other files.
        let there = found.first().is_some_and(Option::is_some);
        if !settled || !there || self.read.as_ref() == Some(&found) {
            return false;
        }
        self.read = Some(found);
        true
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    let (changed, renamed) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
    Some(Stamp(found.dev(), found.ino(), found.size(), changed, renamed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_when_it_was_seen_twice() {
        let mut edits = Edits::of(vec!["a".into()]);
        let stamp = |size| vec![Some(Stamp(1, 1, size, (0, 0), (0, 0)))];
        for (found, expected) in [
            (stamp(1), false),
            (stamp(1), true),
            (stamp(1), false),
            (stamp(2), false),
            (stamp(3), false),
            (stamp(3), true),
            (vec![None], false),
            (vec![None], false),
            (stamp(3), false),
            (stamp(3), false),
            (stamp(1), false),
            (stamp(1), true),
        ] {
            assert_eq!(edits.news(found.clone()), expected, "{found:?}");
        }
    }

    #[test]
    fn a_further_file_that_is_gone_is_a_change_and_hides_none() {
        let mut edits = Edits::of(vec!["gateway".into(), "prices".into()]);
        let stamp = |size| Some(Stamp(1, 1, size, (0, 0), (0, 0)));
        for (found, expected) in [
            ([stamp(1), stamp(1)], true),
            ([stamp(1), None], true),
            ([stamp(2), None], true),
            ([None, None], false),
            ([None, stamp(1)], false),
            ([stamp(2), stamp(1)], true),
        ] {
            assert!(!edits.news(found.to_vec()), "seen once: {found:?}");
            assert_eq!(edits.news(found.to_vec()), expected, "{found:?}");
        }
    }

    #[test]
    fn every_way_of_changing_a_file_shows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.yaml");
        fs::write(&path, "one").unwrap();
        let mut seen = vec![stamp(&path)];
        fs::write(&path, "two").unwrap();
        seen.push(stamp(&path));
        fs::write(directory.path().join("new"), "two").unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        seen.push(stamp(&path));
        fs::rename(&path, directory.path().join("there")).unwrap();
        seen.push(stamp(&path));
        std::os::unix::fs::symlink("there", &path).unwrap();
        fs::write(directory.path().join("there"), "three").unwrap();
        seen.push(stamp(&path));
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
        assert!(seen[3].is_none());
    }
}
