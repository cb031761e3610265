//! What an expression's looks around itself, such as `\b` and `$`, find at a place.
//!
//! All of them depend on nothing but the two letters beside the place, and of these only on a few properties. So every place is one
//! of a few kinds, and what holds at each kind is found out once.

use regex_automata::nfa::thompson::NFA;
use regex_automata::util::look::{Look, LookSet};

/// What a letter is to a look: the text's edge, the two ends of lines, and letters of words and others, of ASCII and beyond it.
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

/// One letter that stands for all of each.
pub(super) const SIDES: [&str; 7] = ["", "\n", "\r", "a", " ", "é", "—"];
/// The kind of a place inside of a letter, which lies behind all others.
const INSIDE: usize = SIDES.len() * SIDES.len();

/// The looks of an expression.
#[derive(Debug)]
pub(super) struct Looks {
    /// For each pair of sides, and for a place inside of a letter, which of `sets` holds there.
    kinds: [u8; INSIDE + 1],
    sets: Vec<LookSet>,
    /// Whether letters beyond ASCII may be letters of words.
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

    /// How many kinds of places there are.
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The number of the side that a byte, or the text's edge, has; `None` where the letter that it is of makes a difference.
    pub(super) fn side_of(&self, byte: Option<u8>) -> Option<usize> {
        narrow(byte).or((!self.wide).then_some(Side::WideOther)).map(|side| side as usize)
    }

    /// The kind of a place between two sides.
    pub(super) fn kind_between(&self, before: usize, after: usize) -> usize {
        self.kinds.get(before * SIDES.len() + after).copied().map_or(0, usize::from)
    }

    /// What holds at places of this kind.
    pub(super) fn held(&self, kind: usize) -> LookSet {
        self.sets.get(kind).copied().unwrap_or_default()
    }

    /// The kind of a place in a text.
    pub(super) fn kind(&self, text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied();
        let kind = match (narrow(before), narrow(bytes.get(at).copied())) {
            (Some(before), Some(after)) => between(before, after),
            _ => self.wide_kind(text, at),
        };
        self.kinds.get(kind).copied().map_or(0, usize::from)
    }

    /// Of a place with a letter beyond ASCII beside it.
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

/// The kind of a place between two letters.
fn between(before: Side, after: Side) -> usize {
    before as usize * SIDES.len() + after as usize
}

/// As `\w` has it.
fn is_of_a_word(letter: char) -> bool {
    regex_syntax::try_is_word_character(letter).unwrap_or(false)
}

/// What a byte of ASCII, or the text's edge, is to a look.
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

/// Which looks of an expression hold at a place.
fn held(nfa: &NFA, text: &str, at: usize) -> LookSet {
    // Read backwards, a text begins where it ends.
    let meant = |look: Look| if nfa.is_reverse() { look.reversed() } else { look };
    let holds = |look: &Look| nfa.look_matcher().matches(meant(*look), text.as_bytes(), at);
    nfa.look_set_any().iter().filter(holds).fold(LookSet::empty(), LookSet::insert)
}
