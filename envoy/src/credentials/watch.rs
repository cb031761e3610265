//! Watches the sources of credentials at runtime, and writes changed ones to the files that Envoy watches.
//!
//! It reads the files regularly instead of using inotify, since that detects every way of replacing a file (Kubernetes swaps a symbolic
//! link two directories up), and the files are few and small.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sluice_config::file::File;

use crate::secrets::{self, Secrets};

use super::print_message;

/// Polling interval. A change counts once two polls read the same: a file may be half written.
const LOOK: Duration = Duration::from_millis(500);

/// Watches until it is dropped, and writes nothing afterwards.
#[derive(Debug)]
pub struct Watch {
    /// Dropping it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Watch {
    /// Starts with the credentials that were already written to `directory`. Paths are relative to `base`.
    pub fn start(file: &File, base: &Path, present: &Secrets, directory: &Path) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (file, base, directory): (File, PathBuf, PathBuf) = (file.clone(), base.into(), directory.into());
        let mut memory = Memory::new(present);
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                for (name, found) in secrets::each(&file, &base) {
                    match memory.news(&name, found) {
                        None => {}
                        Some(Ok(text)) => match secrets::write_one(&directory, &name, &text) {
                            Ok(()) => print_message(&format!(
                                "{name}: the credential changed, and the gateway uses the new one"
                            )),
                            Err(error) => print_message(&format!("{name}: cannot write the new credential: {error}")),
                        },
                        Some(Err(problem)) => {
                            print_message(&format!("{problem}; the gateway keeps the old credential"))
                        }
                    }
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

type Found = Result<String, String>;

/// The credentials that were written, and the results of the last poll.
struct Memory {
    written: Secrets,
    last: BTreeMap<String, Found>,
    told: BTreeMap<String, String>,
}

impl Memory {
    fn new(present: &Secrets) -> Self {
        Self { written: present.clone(), last: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Returns what to do about a credential: a new text to write, or a problem that was not reported yet.
    fn news(&mut self, name: &str, found: Found) -> Option<Found> {
        let settled = self.last.get(name) == Some(&found);
        if !settled {
            self.last.insert(name.to_owned(), found);
            return None;
        }
        match &found {
            Ok(text) => {
                self.told.remove(name);
                if self.written.get(name) == Some(text) {
                    return None;
                }
                self.written.insert(name.to_owned(), text.clone());
            }
            Err(problem) => {
                if self.told.insert(name.to_owned(), problem.clone()).as_ref() == Some(problem) {
                    return None;
                }
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::new(&Secrets::from([("a".to_owned(), "1".to_owned())]))
    }

    fn good(text: &str) -> Found {
        Ok(text.to_owned())
    }

    #[test]
    fn a_change_counts_when_it_was_seen_twice_and_once() {
        let mut memory = memory();
        assert_eq!(memory.news("a", good("1")), None);
        assert_eq!(memory.news("a", good("1")), None);
        assert_eq!(memory.news("a", good("half")), None);
        assert_eq!(memory.news("a", good("2")), None);
        assert_eq!(memory.news("a", good("2")), Some(good("2")));
        assert_eq!(memory.news("a", good("2")), None);
    }

    #[test]
    fn what_is_missing_is_told_once_until_it_is_back() {
        let mut memory = memory();
        let gone = || Err("gone".to_owned());
        for expected in [None, Some(gone()), None, None] {
            assert_eq!(memory.news("a", gone()), expected);
        }
        assert_eq!(memory.news("a", good("1")), None);
        assert_eq!(memory.news("a", good("1")), None, "the old one is still in use");
        assert_eq!(memory.news("a", gone()), None);
        assert_eq!(memory.news("a", gone()), Some(gone()));
    }
}
