//! The gateway file, while the gateway runs with what it said when it started: a change is noticed, checked and told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::check;
use crate::credentials::tell;

/// Between two readings. A change counts when two of them saw the same: a file may be found half written.
const LOOK: Duration = Duration::from_secs(1);

/// What is known of the file.
pub struct Edits {
    path: PathBuf,
    /// What is in use, or was told of last.
    told: Option<String>,
    last: Option<String>,
    looked: Instant,
}

impl Edits {
    /// Of a file that was just read.
    pub fn of(path: &Path) -> Self {
        let text = fs::read_to_string(path).ok();
        Self { path: path.to_owned(), told: text.clone(), last: text, looked: Instant::now() }
    }

    /// Looks again, if it is time to.
    pub fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        // A file that is gone is about to be replaced, or its edit is not finished.
        let Ok(text) = fs::read_to_string(&self.path) else { return };
        if let Some(text) = self.news(text) {
            tell(&describe(&self.path, &text));
        }
    }

    /// The new text, when it was found twice and not told of yet.
    fn news(&mut self, text: String) -> Option<String> {
        let settled = self.last.as_ref() == Some(&text);
        self.last = Some(text.clone());
        if !settled || self.told.as_ref() == Some(&text) {
            return None;
        }
        self.told = Some(text.clone());
        Some(text)
    }
}

fn describe(path: &Path, text: &str) -> String {
    let name = path.display();
    let base = path.parent().unwrap_or(Path::new(""));
    match check::check_in(text, base) {
        Ok(_) => format!("{name} has changed; the gateway still runs with the old one: restart it"),
        Err(mistakes) => {
            let mistakes: String = mistakes.iter().map(|mistake| format!("\n{name}:{mistake}")).collect();
            format!("{name} has changed, and cannot be used; the gateway still runs with the old one{mistakes}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_when_it_was_seen_twice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "a").unwrap();
        let mut edits = Edits::of(file.path());
        for (text, expected) in
            [("a", false), ("b", false), ("c", false), ("c", true), ("c", false), ("a", false), ("a", true)]
        {
            assert_eq!(edits.news(text.to_owned()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_new_one_is_told_with_it() {
        let text = describe(Path::new("gateway.yaml"), "models: {}");
        assert!(text.contains("cannot be used") && text.contains("gateway.yaml:"), "{text}");
    }
}
