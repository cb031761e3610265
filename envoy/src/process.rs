//! Envoy as a child process that never outlives its parent, and the private directory that it reads.
//!
//! The child requests a signal on its parent's death from the kernel before it executes Envoy. So even SIGKILL or a crash of this process
//! leaves no Envoy behind that holds the port. The directory contains provider keys. It is in memory where the system supports that, and
//! the next process removes the directory of a killed one.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, MemfdFlags, StatVfsMountFlags, flock, memfd_create};
use rustix::process::{Signal, getppid, getuid, set_parent_process_death_signal};
use tempfile::TempDir;

use crate::cli::Failure;

/// The hidden command between this process and the program.
pub const FOLLOW: &str = "follow-parent";

const POLL: Duration = Duration::from_millis(20);

/// Returns a command that runs the program and ends when this process does.
pub fn follower(program: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(FOLLOW).arg(std::process::id().to_string()).arg("--").arg(program);
    command
}

/// Replaces this process with the program. The program ends when the process `parent` does.
pub fn follow(parent: u32, program: &[OsString]) -> Failure {
    let Some((program, arguments)) = program.split_first() else { return Failure::new("no program was given to run") };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return Failure::new(format!("cannot request a signal for the parent's exit: {error}"));
    }
    // The parent may have died before the signal was requested.
    let alive = getppid().is_some_and(|now| u32::try_from(now.as_raw_nonzero().get()) == Ok(parent));
    if !alive {
        return Failure::new("the parent process has already exited");
    }
    let error = Command::new(program).args(arguments).exec();
    Failure::new(format!("cannot start {}: {error}", Path::new(program).display()))
}

/// Runs a program to its end, and kills it if it takes longer than this.
pub fn output(command: &mut Command, within: Duration) -> io::Result<Output> {
    // Files and not pipes: a process that the program leaves behind cannot keep the reader waiting. In memory, because the root file system
    // of a container may be read-only.
    let file = || memfd_create("output", MemfdFlags::CLOEXEC).map(File::from);
    let (mut out, mut errors) = (file()?, file()?);
    let mut child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(errors.try_clone()?).spawn()?;
    let end = Instant::now() + within;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("it does not end within {} s", within.as_secs())));
        }
        thread::sleep(POLL);
    };
    Ok(Output { status, stdout: whole(&mut out)?, stderr: whole(&mut errors)? })
}

fn whole(file: &mut File) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut contents)?;
    Ok(contents)
}

/// A directory that only its owner can read, removed on drop.
#[derive(Debug)]
pub struct Private {
    directory: TempDir,
    _lock: File,
}

const PREFIX: &str = "sluice-";
/// Locked by the directory's owner process while it lives.
const LOCK: &str = "lock";

impl Private {
    /// Creates a directory, after removing abandoned ones.
    pub fn new() -> io::Result<Self> {
        let place = place();
        sweep(&place);
        let directory =
            tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(place)?;
        let lock = lock(directory.path())?;
        Ok(Self { directory, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Locks a directory. The lock file gets its final name only when it is locked, so that no other process can lock it first.
fn lock(directory: &Path) -> io::Result<File> {
    let before = directory.join("lock-to-be");
    let lock = File::create(&before)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    fs::rename(before, directory.join(LOCK))?;
    Ok(lock)
}

/// The parent of such directories: in memory if possible, else the temporary directory.
fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let usable = || tempfile::Builder::new().prefix(PREFIX).tempfile_in(&memory).is_ok();
    if is_memory(&memory) && usable() { memory } else { std::env::temp_dir() }
}

fn is_memory(directory: &Path) -> bool {
    /// The magic number of tmpfs (`statfs(2)`).
    const TMPFS: u32 = 0x0102_1994;
    rustix::fs::statfs(directory).is_ok_and(|system| u32::try_from(system.f_type) == Ok(TMPFS))
}

/// Whether programs and libraries in this directory can be executed. Container runtimes mount `/dev/shm` with `noexec`.
pub fn is_executable(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|system| !system.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Removes directories of killed processes. An error means that there is nothing to remove, or that another user owns it.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let ours = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == getuid().as_raw());
        if ours && entry.file_name().to_string_lossy().starts_with(PREFIX) && is_left(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether no process holds its lock. A directory without a lock file may be about to get one.
fn is_left(directory: &Path) -> bool {
    let lock = File::open(directory.join(LOCK));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with the options that the kernel lists; where several file systems are mounted at one place, the last one counts.
    #[test]
    fn a_directory_is_executable_unless_it_is_mounted_with_noexec() {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mut expected = std::collections::BTreeMap::new();
        for mount in mounts.lines() {
            let [_, place, _, options, ..] = mount.split(' ').collect::<Vec<_>>()[..] else { panic!("{mount}") };
            expected.insert(place, !options.split(',').any(|option| option == "noexec"));
        }
        expected.retain(|place, _| rustix::fs::statvfs(*place).is_ok());
        assert!(!expected.is_empty());
        for (place, executable) in expected {
            assert_eq!(is_executable(Path::new(place)), executable, "{place}");
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let output =
            output(Command::new("sh").args(["-c", "echo a; echo b >&2; exit 3"]), Duration::from_secs(60)).unwrap();
        assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(3), &b"a\n"[..], &b"b\n"[..]));
        let error = super::output(Command::new("sleep").arg("1000"), Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "it does not end within 0 s");
    }

    #[test]
    fn what_belongs_to_nobody_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str, lock: bool| {
            let directory = place.path().join(name);
            fs::create_dir(&directory).unwrap();
            lock.then(|| File::create(directory.join(LOCK)).unwrap())
        };
        let held = make("sluice-held", true).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        for (name, lock) in [("sluice-left", true), ("sluice-new", false), ("other", true)] {
            drop(make(name, lock));
        }
        sweep(place.path());
        let mut left: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["other", "sluice-held", "sluice-new"]);
    }

    #[test]
    fn a_private_directory_is_its_owners_and_goes_with_it() {
        let private = Private::new().unwrap();
        let path = private.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        sweep(path.parent().unwrap());
        assert!(path.exists(), "it is in use");
        drop(private);
        assert!(!path.exists());
    }
}
