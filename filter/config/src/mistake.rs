//! What is wrong in a gateway file, where, and what would be right: written for the person who edits it.

use std::fmt;

/// One mistake. Never holds what may be a secret: `found` describes such a value instead of repeating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place, as a [`Path`] displays it; empty for the file as a whole.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

/// A place in a gateway file: `models.chat.targets[0].provider`, `models["gpt-4.1"]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(String);

impl Path {
    /// The whole file.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value under `key` in the mapping at this place.
    pub fn key(&self, key: &str) -> Self {
        let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        Self(match (bare, self.0.is_empty()) {
            (true, true) => key.to_owned(),
            (true, false) => format!("{}.{key}", self.0),
            (false, _) => format!("{}[{key:?}]", self.0),
        })
    }

    /// The item `index` of the list at this place.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `place`, a displayed path, is this place or one inside it.
    pub fn holds(&self, place: &str) -> bool {
        match place.strip_prefix(self.as_str()) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As a person would recognise it: quoted, escaped, and cut when it is long.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_that_could_be_read_as_more_than_one_step_are_quoted() {
        let models = Path::root().key("models");
        assert_eq!(models.key("chat").key("targets").index(0).to_string(), "models.chat.targets[0]");
        assert_eq!(models.key("gpt-4.1").key("targets").to_string(), "models[\"gpt-4.1\"].targets");
    }

    #[test]
    fn a_place_holds_what_is_inside_and_not_its_neighbours() {
        let chat = Path::root().key("models").key("chat");
        assert!(chat.holds("models.chat") && chat.holds("models.chat.targets[0]"));
        assert!(!chat.holds("models.chat2") && !chat.holds("models"));
        assert!(Path::root().holds("models"));
    }
}
