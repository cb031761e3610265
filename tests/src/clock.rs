//! A wall clock that a test can set while the processes that use it run.
//!
//! A small library, preloaded into those processes, adds an offset to the time of the system. Debian's `faketime` cannot do this: with its
//! library Envoy hangs at its start, since each waits for the other.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The library's source.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clock.c");

#[derive(Debug)]
pub struct Clock {
    directory: TempDir,
}

impl Clock {
    /// A clock with the system's time.
    ///
    /// # Panics
    /// If no C compiler is installed; Rust needs one too, as its linker.
    pub fn start() -> Self {
        let clock = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(clock.path("clock.so")).arg(SOURCE);
        assert!(compiler.status().expect("a C compiler").success());
        clock.set(0);
        clock
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Sets the clock to this many seconds after the system's time, or before it.
    ///
    /// # Panics
    /// If the file with the offset cannot be written.
    pub fn set(&self, seconds: i64) {
        // The processes map this file: it must keep its place and size.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.path("step"));
        file.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0)).expect("a file in the temporary directory");
    }

    /// The words before a command that make it use this clock.
    pub fn before_a_command(&self) -> Vec<String> {
        let [library, step] = ["clock.so", "step"].map(|name| self.path(name).display().to_string());
        vec!["env".to_owned(), format!("LD_PRELOAD={library}"), format!("CLOCK_STEP={step}")]
    }

    /// A program that is Envoy with this clock, for `SLUICE_ENVOY`: `sluice run` passes no variables on to Envoy.
    ///
    /// # Panics
    /// If `./scripts/test` has not set `SLUICE_ENVOY`, or the program cannot be written.
    pub fn envoy(&self) -> String {
        let envoy = std::env::var("SLUICE_ENVOY").expect("SLUICE_ENVOY, which ./scripts/test sets");
        let program = self.path("envoy");
        let script = format!("#!/bin/sh\nexec {} '{envoy}' \"$@\"\n", self.before_a_command().join(" "));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&program);
        file.and_then(|mut file| file.write_all(script.as_bytes())).expect("a file in the temporary directory");
        program.display().to_string()
    }
}
