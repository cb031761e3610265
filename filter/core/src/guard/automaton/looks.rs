//! Look-around assertions such as `\b` and `$`.
//!
//! Each depends only on the two letters around a position, and only on a few properties of these. So there are a few kinds of positions,
//! and the assertions that hold at each kind are computed once.

use regex_automata::nfa::thompson::NFA;
use regex_automata::util::look::{Look, LookSet};

/// The class of a letter for look-around: the text's edge, line ends, word and other letters, in ASCII and beyond.
#[derive(Debug, Clone, Copy)]
enum Side {
    Edge,
    Lf,
    Cr,
    Word,
    Other,
    WideWord,
    WideOther,
}

/// A representative letter of each side.
pub(super) const SIDES: [&str; 7] = ["", "\n", "\r", "a", " ", "é", "—"];
/// The kind of a position inside of a letter, after all other kinds.
const INSIDE: usize = SIDES.len() * SIDES.len();

/// The look-around assertions of an expression.
#[derive(Debug)]
pub(super) struct Looks {
    /// The index in `sets` for each pair of sides, and for a position inside of a letter.
    kinds: [u8; INSIDE + 1],
    sets: Vec<LookSet>,
    /// Whether `\b` treats non-ASCII letters as word letters.
    wide: bool,
}

impl Looks {
    pub(super) fn of(nfa: &NFA) -> Self {
        let mut looks =
            Self { kinds: [0; INSIDE + 1], sets: Vec::new(), wide: nfa.look_set_any().contains_word_unicode() };
        for (before, left) in SIDES.iter().enumerate() {
            for (after, right) in SIDES.iter().enumerate() {
                let held = held(nfa, &format!("{left}{right}"), left.len());
                looks.learn(before * SIDES.len() + after, held);
            }
        }
        looks.learn(INSIDE, held(nfa, "é", 1));
        looks
    }

    fn learn(&mut self, kind: usize, held: LookSet) {
        let known = self.sets.iter().position(|set| *set == held);
        let set = known.unwrap_or(self.sets.len());
        if known.is_none() {
            self.sets.push(held);
        }
        if let (Some(kind), Ok(set)) = (self.kinds.get_mut(kind), u8::try_from(set)) {
            *kind = set;
        }
    }

    /// The number of kinds of positions.
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The side of a byte or of the text's edge; `None` if it depends on the whole letter.
    pub(super) fn side_of(&self, byte: Option<u8>) -> Option<usize> {
        narrow(byte).or((!self.wide).then_some(Side::WideOther)).map(|side| side as usize)
    }

    /// The kind of a position between two sides.
    pub(super) fn kind_between(&self, before: usize, after: usize) -> usize {
        self.kinds.get(before * SIDES.len() + after).copied().map_or(0, usize::from)
    }

    /// The assertions that hold at this kind of position.
    pub(super) fn held(&self, kind: usize) -> LookSet {
        self.sets.get(kind).copied().unwrap_or_default()
    }

    /// The kind of a position in a text.
    pub(super) fn kind(&self, text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied();
        let kind = match (narrow(before), narrow(bytes.get(at).copied())) {
            (Some(before), Some(after)) => between(before, after),
            _ => self.wide_kind(text, at),
        };
        self.kinds.get(kind).copied().map_or(0, usize::from)
    }

    /// The kind of a position next to a non-ASCII letter.
    #[cold]
    fn wide_kind(&self, text: &str, at: usize) -> usize {
        let Some((left, right)) = text.split_at_checked(at) else { return INSIDE };
        between(self.side(left.chars().next_back()), self.side(right.chars().next()))
    }

    fn side(&self, letter: Option<char>) -> Side {
        let Some(letter) = letter else { return Side::Edge };
        let wide = || if self.wide && is_of_a_word(letter) { Side::WideWord } else { Side::WideOther };
        u8::try_from(letter).ok().and_then(|byte| narrow(Some(byte))).unwrap_or_else(wide)
    }
}

/// The kind of a position between two letters.
fn between(before: Side, after: Side) -> usize {
    before as usize * SIDES.len() + after as usize
}

/// Whether `\w` matches the letter.
fn is_of_a_word(letter: char) -> bool {
    regex_syntax::try_is_word_character(letter).unwrap_or(false)
}

/// The side of an ASCII byte, or of the text's edge.
fn narrow(byte: Option<u8>) -> Option<Side> {
    match byte {
        None => Some(Side::Edge),
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_') => Some(Side::Word),
        Some(b'\n') => Some(Side::Lf),
        Some(b'\r') => Some(Side::Cr),
        Some(..0x80) => Some(Side::Other),
        Some(_) => None,
    }
}

/// The assertions of an expression that hold at a position.
fn held(nfa: &NFA, text: &str, at: usize) -> LookSet {
    // A reverse automaton needs the reversed assertions.
    let meant = |look: Look| if nfa.is_reverse() { look.reversed() } else { look };
    let holds = |look: &Look| nfa.look_matcher().matches(meant(*look), text.as_bytes(), at);
    nfa.look_set_any().iter().filter(holds).fold(LookSet::empty(), LookSet::insert)
}
