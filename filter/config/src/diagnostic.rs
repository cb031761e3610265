//! Mistakes in a gateway file: what is wrong, where, and what would be right, for the author of the file.

use std::fmt;

/// One mistake. Never contains a possible secret: `found` describes such a value instead of repeating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The place in the format of [`Path`]; empty for the whole file.
    pub path: String,
    /// The value that was found.
    pub found: String,
    /// The value that was expected.
    pub expected: String,
}

impl fmt::Display for Diagnostic {
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
    /// The root of the file.
    pub fn root() -> Self {
        Self::default()
    }

    /// The section `name` of the file.
    pub fn section(name: &str) -> Self {
        Self::root().key(name)
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

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `place`, a displayed path, is this path or inside it.
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

/// Quotes, escapes and shortens a text for a message.
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
