//! The directory that Envoy reads: files that are replaced atomically, each with a version.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::state::State;
use crate::render::quote;
use crate::secrets::write_atomically;

/// The state file, for the next process that writes here.
pub const STATE: &str = "state.json";

#[derive(Debug)]
pub struct Files {
    directory: PathBuf,
    /// The files' permissions.
    mode: u32,
}

impl Files {
    pub fn of(directory: &Path, mode: u32) -> Self {
        Self { directory: directory.to_owned(), mode }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file without a version.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        write_atomically(&self.path(name), text.as_bytes(), self.mode)
    }

    /// Writes a file, unless it exists with the same body and any version. Returns the previous content, or an inner `None` if there was no
    /// file. Envoy has nothing to do for an unchanged file.
    pub fn replace(&self, name: &str, body: &str, version: &str) -> io::Result<Option<Option<String>>> {
        let present = self.text(name)?;
        if present.as_deref().is_some_and(|text| is_body(text, body)) {
            return Ok(None);
        }
        let version = if name == STATE { String::new() } else { format!("version_info: {}\n", quote(version)) };
        self.write(name, &(version + body))?;
        Ok(Some(present))
    }

    /// Whether a file exists with this body and any version.
    pub fn has(&self, name: &str, body: &str) -> bool {
        self.text(name).is_ok_and(|text| text.is_some_and(|text| is_body(&text, body)))
    }

    fn text(&self, name: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.path(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Restores the previous content. A file that did not exist before may stay.
    pub fn restore(&self, name: &str, text: Option<String>) -> io::Result<()> {
        text.map_or(Ok(()), |text| self.write(name, &text))
    }

    /// Reads the state that was written last.
    pub fn state(&self) -> io::Result<Option<State>> {
        let text = match fs::read(self.path(STATE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let state = serde_json::from_slice(&text).map_err(|error| {
            let path = self.path(STATE);
            let advice = "run this command with --offline, and restart Envoy";
            io::Error::other(format!("{} cannot be read: {error}; {advice}", path.display()))
        });
        state.map(Some)
    }

    pub fn save(&self, state: &State) -> io::Result<()> {
        write_atomically(&self.path(STATE), &serde_json::to_vec(state)?, self.mode)
    }
}

/// Whether a file consists of a version and this body.
fn is_body(text: &str, body: &str) -> bool {
    text.split_once('\n').is_some_and(|(_, rest)| rest == body)
}
