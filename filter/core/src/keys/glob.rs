//! Patterns in which `*` matches any text, including none, and everything else matches itself.

/// A compiled pattern. Matching takes linear time in the text, whatever the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The pieces between the stars; a single piece is the whole text.
    pieces: Box<[Box<str>]>,
}

impl Glob {
    /// Compiles a pattern; every text is a valid one.
    pub fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(Box::from).collect() }
    }

    /// Whether the pattern has no star.
    pub fn is_literal(&self) -> bool {
        self.pieces.len() == 1
    }

    /// The literal name; empty if the pattern has a star.
    pub fn text(&self) -> &str {
        if let [only] = &*self.pieces { only } else { "" }
    }

    /// The text before the first star and after the last one; `None` without a star.
    pub fn ends(&self) -> Option<(&str, &str)> {
        if let [first, .., last] = &*self.pieces { Some((first, last)) } else { None }
    }

    /// Whether the pattern matches `text`.
    pub fn matches(&self, text: &str) -> bool {
        let (first, middle, last) = match &*self.pieces {
            [] => return false,
            [only] => return **only == *text,
            [first, middle @ .., last] => (first, middle, last),
        };
        let Some(rest) = text.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last)) else { return false };
        // The leftmost match of each piece leaves the most text for the pieces after it.
        let after = |rest: &'_ str, piece: &str| rest.find(piece).and_then(|at| at.checked_add(piece.len()));
        let mut rest = rest;
        for piece in middle {
            let Some(left) = after(rest, piece).and_then(|end| rest.get(end..)) else { return false };
            rest = left;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("chat", "chat", true),
            ("chat", "chats", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("*", "anything", true),
            ("gpt-*", "gpt-5", true),
            ("gpt-*", "gpt-", true),
            ("gpt-*", "gpt", false),
            ("*-mini", "gpt-5-mini", true),
            ("*-mini", "gpt-5-mini-2", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("*b*b*", "b", false),
            ("**", "x", true),
            ("/v1/chat/*", "/v1/chat/completions", true),
            ("gpt-?", "gpt-5", false),
            ("*\u{e9}*", "caf\u{e9}s", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_longer() {
        let pattern = "a*".repeat(200);
        assert!(!Glob::new(&(pattern + "b")).matches(&"a".repeat(100_000)));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::super::Glob;

        /// Reference implementation, in exponential time.
        fn slow(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|skipped| slow(rest, &text[skipped..])),
                Some((first, rest)) => text.split_first().is_some_and(|(byte, left)| byte == first && slow(rest, left)),
            }
        }

        proptest! {
            #[test]
            fn it_matches_what_its_definition_does(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
                prop_assert_eq!(Glob::new(&pattern).matches(&text), slow(pattern.as_bytes(), text.as_bytes()));
            }
        }
    }
}
