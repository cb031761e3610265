//! `sluice run` and Envoy as child processes, which always end.
//!
//! The child leads its own process group. Dropping the [`Process`] ends the group, after the child's own children,
//! which may lead groups of their own, as Envoy does. If this process ends first, because it was killed or the gateway
//! is in a static, a [`Guard`] ends the group instead.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::build::Build;
use crate::PATIENCE;

/// How long the command may take to end: longer than it waits for its Envoy.
const TO_END: Duration = Duration::from_secs(10);

/// The running command.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The child's process id, which is also its group id.
    group: Pid,
    output: Lines,
    errors: Lines,
    _guard: Guard,
}

impl Process {
    /// Runs the command with this gateway file, these arguments, and these variables added to its environment. If a
    /// guard has to end the command, it also removes the file's directory.
    ///
    /// # Panics
    /// If the command or the module is missing, or cannot be started.
    pub fn start(file: &Path, concurrency: u32, arguments: &[String], environment: &[(String, String)]) -> Self {
        let mut run = Command::new(built("SLUICE_BIN", "target/release/sluice"));
        if let Some(module) = std::env::var_os(Build::under_test().variable()) {
            assert!(Path::new(&module).exists(), "{module:?} is missing: run ./scripts/build first");
        }
        run.arg("run")
            .arg(file)
            .args(Build::under_test().arguments())
            .args(["--concurrency", &concurrency.to_string()])
            .args(arguments);
        run.envs(environment.iter().map(|(variable, value)| (variable, value)));
        Self::spawn(run, file.parent())
    }

    /// Runs a system program that stays in the foreground.
    ///
    /// # Panics
    /// If no program of that name exists.
    pub fn of(program: &str, arguments: &[String]) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.exists());
        let mut run =
            Command::new(found.unwrap_or_else(|| panic!("no {program} here: run ./scripts/setup test first")));
        run.args(arguments);
        Self::spawn(run, None)
    }

    fn spawn(mut run: Command, directory: Option<&Path>) -> Self {
        run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = run.spawn().expect("the command starts");
        let output = Lines::of(child.stdout.take());
        let errors = Lines::of(child.stderr.take());
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a number of a process");
        Self { child, group, output, errors, _guard: Guard::over(group, directory) }
    }

    /// The process id of the command.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM to the command only.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C would, to the command only.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends a signal to the command only.
    pub fn signal(&self, signal: Signal) {
        // An error means that the process has already ended.
        let _ = kill_process(self.group, signal);
    }

    /// Sends a signal to the command's children, but not to the command.
    pub fn signal_children(&self, signal: Signal) {
        for child in children(self.child.id()) {
            if let Some(child) = i32::try_from(child).ok().and_then(Pid::from_raw) {
                // An error means that the process has already ended.
                let _ = kill_process(child, signal);
            }
        }
    }

    /// Kills the command and its children without cleanup, and waits for the command's end.
    ///
    /// # Panics
    /// If the command does not end.
    pub fn kill(&self) {
        // An error means that the group has already ended.
        let _ = kill_process_group(self.group, Signal::KILL);
        let started = Instant::now();
        while self.ended().is_none() {
            assert!(started.elapsed() < PATIENCE, "a killed process does not end");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The exit status, if the command has ended.
    pub fn ended(&self) -> Option<String> {
        // The wait does not reap the process: until the drop, the id and group id must not be reused.
        let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.group), looking) {
            Ok(None) => None,
            Ok(Some(end)) => Some(match (end.exit_status(), end.terminating_signal()) {
                (Some(status), _) => format!("exit status {status}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => "for no known reason".to_owned(),
            }),
            Err(error) => Some(error.to_string()),
        }
    }

    pub fn output(&self) -> Vec<String> {
        self.output.lock().clone()
    }

    pub fn errors(&self) -> String {
        self.errors.lock().join("\n")
    }

    /// Discards the output so far.
    pub fn forget(&self) {
        self.output.lock().clear();
        self.errors.lock().clear();
    }
}

/// Runs the Envoy that `SLUICE_ENVOY` names with this configuration and these arguments. Envoy finds the filter's
/// module at its own path.
///
/// # Panics
/// If Envoy does not start.
pub fn of_envoy(configuration: &Path, arguments: &[&str], module: &Path) -> Process {
    let mut run = Command::new(std::env::var_os("SLUICE_ENVOY").expect("SLUICE_ENVOY, which ./scripts/test sets"));
    run.arg("-c").arg(configuration).args(arguments);
    run.env("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", module.parent().expect("a directory"));
    Process::spawn(run, None)
}

/// The running children of a process.
pub fn children(process: u32) -> Vec<u32> {
    let listed = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let listed = listed.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    listed.flat_map(|text| text.split_whitespace().filter_map(|one| one.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The path in an environment variable, or else the build's output beside the workspace.
fn built(variable: &str, beside: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = std::env::var_os(variable).map_or_else(|| workspace.join(beside), PathBuf::from);
    assert!(path.exists(), "{} is missing: run ./scripts/build first", path.display());
    path
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that no process is left, which is the goal.
        let _ = kill_process_group(self.group, Signal::TERM);
        let started = Instant::now();
        while self.ended().is_none() && started.elapsed() < TO_END {
            thread::sleep(Duration::from_millis(5));
        }
        // Kills the remaining processes: a child that did not end, or orphans of a child.
        self.signal_children(Signal::KILL);
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A shell that waits for this process to end for any reason, then cleans up as the drop would: it ends the group,
/// kills the remaining processes after a while, and removes the directory. It waits on a pipe; only this process holds
/// the other end.
#[derive(Debug)]
struct Guard(Child);

/// The arguments are the group and the directory.
const GUARD: &str = r#"read -r _
kill -s TERM -- "-$1"
tries=0
while kill -s 0 -- "-$1" && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -s KILL -- $(cat /proc/"$1"/task/*/children) "-$1"
[ -z "$2" ] || rm -rf -- "$2""#;

impl Guard {
    fn over(group: Pid, directory: Option<&Path>) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", GUARD, "guard", &group.as_raw_nonzero().to_string()]).arg(directory.unwrap_or(Path::new("")));
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(shell.spawn().expect("a shell"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The guard's process id is not reused until the guard is reaped, and the guard has not yet read the end of the
        // pipe.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a pipe. A separate thread reads them so that the child never blocks on output.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let lines = Self::default();
        let to = lines.clone();
        if let Some(pipe) = pipe {
            thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    to.lock().push(String::from_utf8_lossy(&line).into_owned());
                }
            });
        }
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, directory: Option<&Path>) -> Process {
        let mut run = Command::new("/bin/sh");
        run.args(["-c", script]);
        Process::spawn(run, directory)
    }

    fn first_line(process: &Process) -> String {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(line) = process.output().first() {
                return line.clone();
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the command said nothing: {}", process.errors());
    }

    /// Whether a process runs; a zombie counts as ended.
    fn runs(number: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|state| !state.is_empty() && !state.starts_with('Z'))
    }

    fn wait_until(holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() && started.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(holds());
    }

    #[test]
    fn dropping_ends_what_the_command_started_too() {
        let process = shell("sleep 1000 & echo $!; wait", None);
        let started = first_line(&process);
        let (child, guard) = (process.child.id().to_string(), process._guard.0.id().to_string());
        assert!(runs(&started) && runs(&child) && runs(&guard) && process.ended().is_none());
        drop(process);
        wait_until(|| !runs(&started));
        assert!(!runs(&child) && !runs(&guard));
    }

    /// Like Envoy: a child that leads its own group and ignores SIGTERM.
    const STUBBORN: &str = "trap '' TERM; setsid sh -c 'echo $$; exec sleep 1000' & wait; wait";

    #[test]
    fn a_child_in_a_group_of_its_own_ends_too() {
        let process = shell(STUBBORN, None);
        let started = first_line(&process);
        assert!(runs(&started));
        drop(process);
        wait_until(|| !runs(&started));
    }

    #[test]
    fn what_is_not_dropped_ends_when_nobody_holds_the_guards_pipe_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = shell("sleep 1000 & echo $!; wait", Some(directory.path()));
        let started = first_line(&process);
        drop(process._guard.0.stdin.take());
        wait_until(|| process.ended().is_some() && !runs(&started) && !directory.path().exists());
    }

    #[test]
    fn an_early_end_is_seen_with_what_was_said() {
        let process = shell("echo wrong >&2; echo said; exit 3", None);
        assert_eq!(first_line(&process), "said");
        wait_until(|| process.ended().is_some());
        assert_eq!(process.ended().as_deref(), Some("exit status 3"));
    }
}
