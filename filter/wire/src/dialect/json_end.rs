//! Detects the end of JSON that arrives in pieces: whether a call's arguments are complete.
//!
//! It only counts brackets and skips strings; it does not validate.

/// The scan so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct JsonEnd {
    state: State,
    depth: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Only whitespace.
    #[default]
    Empty,
    Between,
    Text,
    /// After a backslash.
    Escape,
    Whole,
    /// Neither an object nor a list: its end cannot be detected.
    Endless,
}

impl JsonEnd {
    /// Scans one more piece.
    pub fn feed(&mut self, piece: &str) {
        for byte in piece.bytes() {
            self.byte(byte);
        }
    }

    /// Whether an object or a list is complete.
    pub fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// Whether only whitespace has arrived.
    pub fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    fn byte(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Empty, b' ' | b'\t' | b'\n' | b'\r') => State::Empty,
            (State::Empty | State::Between, b'{' | b'[') => {
                self.depth = self.depth.saturating_add(1);
                State::Between
            }
            (State::Empty, _) => State::Endless,
            (State::Between, b'}' | b']') => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 { State::Whole } else { State::Between }
            }
            (State::Between, b'"') => State::Text,
            (State::Text, b'"') => State::Between,
            (State::Text, b'\\') => State::Escape,
            (State::Escape, _) => State::Text,
            (state, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn seen(pieces: &[&str]) -> JsonEnd {
        let mut end = JsonEnd::default();
        pieces.iter().for_each(|piece| end.feed(piece));
        end
    }

    #[test]
    fn what_is_whole_is_known_however_it_is_cut() {
        for whole in ["{}", " { } ", r#"{"a":"}\"]","b":[{}]}"#, r#"[[],{"\\":"é"}]"#, "{\"a\":1}\n"] {
            assert!(seen(&[whole]).is_whole(), "{whole}");
            for (cut, _) in whole.char_indices() {
                let (head, tail) = whole.split_at(cut);
                assert!(seen(&[head, tail]).is_whole(), "{whole} at {cut}");
                assert!(!seen(&[head]).is_whole() || head.trim_end() == whole.trim_end(), "{head}");
            }
        }
        for part in ["", " ", "{", r#"{"a":"}"#, r#"{"a":"\"}"#, "[{}", "null", "x{}"] {
            assert!(!seen(&[part]).is_whole(), "{part}");
            assert_eq!(seen(&[part]).is_empty(), part.trim().is_empty(), "{part}");
        }
    }
}
