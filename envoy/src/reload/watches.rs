//! How many files Envoy can still watch: the kernel gives each user a number of inotify instances, Envoy takes one for each file, and
//! ends itself when there is none left.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::getuid;

/// Left to others of the same user, who may start meanwhile.
const SPARE: usize = 8;

/// Whether so many more files can be watched, or what to do about it. Where the system does not say, nobody knows better.
pub fn has_room(more: usize) -> Result<(), String> {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances");
    let limit = limit.ok().and_then(|text| text.trim().parse().ok());
    limit.map_or(Ok(()), |limit| fits(more, in_use(), limit))
}

fn fits(more: usize, used: usize, limit: usize) -> Result<(), String> {
    if more == 0 || used + more + SPARE <= limit {
        return Ok(());
    }
    Err(format!(
        "Envoy would watch {more} more files, {used} are watched, and the system allows this user {limit}: raise it \
         (sysctl fs.inotify.max_user_instances={})",
        (used + more + SPARE).next_power_of_two().max(1024)
    ))
}

/// The files that this user's processes watch, as far as this one can see.
fn in_use() -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = processes.filter(|process| process.metadata().is_ok_and(|found| found.uid() == getuid().as_raw()));
    let opened = ours.flat_map(|process| fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten());
    let watched = |path: std::path::PathBuf| path.to_string_lossy().contains("inotify");
    opened.filter(|file| fs::read_link(file.path()).is_ok_and(watched)).count()
}

/// The files of credentials that Envoy watches for a part of its configuration.
pub fn named(text: &str) -> usize {
    text.matches("watched_directory").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_up_to_what_the_system_allows() {
        assert_eq!(fits(100, 20, 128), Ok(()));
        assert_eq!(fits(0, 200, 128), Ok(()), "nothing more is wanted");
        let refused = fits(101, 20, 128).unwrap_err();
        assert!(refused.contains("101 more files, 20 are watched") && refused.ends_with("=1024)"), "{refused}");
    }

    #[test]
    fn what_is_watched_is_counted() {
        let before = in_use();
        let flags = rustix::fs::inotify::CreateFlags::CLOEXEC;
        let kept: Vec<_> = (0..3).filter_map(|_| rustix::fs::inotify::init(flags).ok()).collect();
        assert!(in_use() >= kept.len(), "{before}");
    }
}
