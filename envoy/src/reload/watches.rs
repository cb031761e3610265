//! The number of files that Envoy can still watch. Each takes an inotify instance. A user has 128 by default. An Envoy that gets
//! none exits at once, with all requests in flight.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::getuid;

/// The kernel's limits: of this system, and of this process' user namespace.
const LIMITS: [&str; 2] = ["/proc/sys/fs/inotify/max_user_instances", "/proc/sys/user/max_inotify_instances"];

/// The number of instances that this user has left, if known.
pub fn left() -> Option<usize> {
    Some(limit()?.saturating_sub(used(Path::new("/proc"))))
}

/// The maximum number of instances of this user.
pub fn limit() -> Option<usize> {
    let limits = LIMITS.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.min()
}

/// The number of instances that this user's processes have.
fn used(processes: &Path) -> usize {
    let ours = |entry: &fs::DirEntry| entry.metadata().is_ok_and(|found| found.uid() == getuid().as_raw());
    let files = |process: fs::DirEntry| fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
    let is_one = |file: &fs::DirEntry| {
        fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy() == "anon_inode:inotify")
    };
    let all = fs::read_dir(processes).into_iter().flatten().flatten().filter(ours).flat_map(files);
    all.filter(is_one).count()
}

/// An error if `more` instances are too many.
pub fn lack(more: usize, left: Option<usize>) -> Option<String> {
    let left = left.filter(|left| more > *left)?;
    let files = if more == 1 { "file" } else { "files" };
    Some(format!(
        "Envoy needs to watch {more} more {files}, but the kernel allows this user only {left} more. Raise \
         fs.inotify.max_user_instances, for example: sysctl -w fs.inotify.max_user_instances=1024"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_processes_watch_is_counted() {
        let place = tempfile::tempdir().unwrap();
        for (process, targets) in [("1", ["anon_inode:inotify", "/etc/passwd"]), ("2", ["anon_inode:inotify"; 2])] {
            let files = place.path().join(process).join("fd");
            fs::create_dir_all(&files).unwrap();
            for (number, target) in targets.iter().enumerate() {
                std::os::unix::fs::symlink(target, files.join(number.to_string())).unwrap();
            }
        }
        assert_eq!(used(place.path()), 3);
        assert!(lack(3, Some(3)).is_none() && lack(3, None).is_none());
        assert!(lack(4, Some(3)).unwrap().starts_with("Envoy needs to watch 4 more files, "));
    }
}
