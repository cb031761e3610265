//! Whether files have changed, while the gateway runs with what they said before.
//!
//! Their metadata is looked at, not the file system's notices: that sees every way of replacing a file (Kubernetes swaps a symbolic link
//! two directories up).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks. A change counts when two of them saw the same: a file may be found half written.
const LOOK: Duration = Duration::from_millis(150);

/// The files, as they were when they were read last; without the first one nothing is to be read.
#[derive(Debug)]
pub struct Edits {
    paths: Vec<PathBuf>,
    /// `None` before the first reading: what they were by then, nobody has seen.
    read: Option<Vec<Option<Stamp>>>,
    last: Vec<Option<Stamp>>,
    looked: Instant,
}

/// What changes with a file: device, number, size, and when its content and its metadata changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp(u64, u64, u64, (i64, i64), (i64, i64));

impl Edits {
    pub fn of(paths: Vec<PathBuf>) -> Self {
        Self { paths, read: None, last: Vec::new(), looked: Instant::now() }
    }

    /// From now on these are the files.
    pub fn follow(&mut self, paths: Vec<PathBuf>) {
        if self.paths != paths {
            *self = Self::of(paths);
        }
    }

    /// Looks again, if it is time to, and tells whether they are to be read anew.
    pub fn look(&mut self) -> bool {
        if self.looked.elapsed() < LOOK {
            return false;
        }
        self.looked = Instant::now();
        self.news(self.paths.iter().map(|path| stamp(path)).collect())
    }

    /// Whether what was found now was found twice, and is not what was read.
    fn news(&mut self, found: Vec<Option<Stamp>>) -> bool {
        let settled = self.last == found;
        self.last.clone_from(&found);
        // The first file is about to be replaced when it is gone, or its edit is not finished. It may have stopped naming the others.
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
