//! The patterns of a schema, each compiled once if it is small.
//!
//! Schemas use JavaScript's syntax, where digits, word letters and word boundaries are ASCII. A pattern that does not parse in our syntax,
//! is long, or compiles to a large automaton is not supported.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use regex_automata::util::syntax;

use crate::guard::automaton::Which;
use crate::guard::steps::{Spent, Steps, steps};

/// The maximum length of a pattern.
const LONGEST: usize = 1 << 10;
/// The memory limit of a compiled pattern.
const LARGEST: usize = 64 << 10;
/// The maximum nesting of groups.
const DEEPEST: u32 = 64;
/// The steps to compile a pattern: a base cost, and a cost for each byte.
const TO_COMPILE: (u64, u64) = (20_000, 1_000);

/// The patterns of one schema, compiled on demand.
pub(super) struct Patterns<'s> {
    steps: &'s Steps,
    known: RefCell<BTreeMap<&'s str, Option<Rc<Pattern>>>>,
}

pub(super) struct Pattern(Which);

impl<'s> Patterns<'s> {
    pub(super) fn new(steps: &'s Steps) -> Self {
        Self { steps, known: RefCell::default() }
    }

    /// Compiles a pattern; `None` if it is not supported.
    pub(super) fn get(&self, pattern: &'s str) -> Result<Option<Rc<Pattern>>, Spent> {
        if pattern.len() > LONGEST {
            return Ok(None);
        }
        self.steps.take(steps(pattern.len()))?;
        if let Some(known) = self.known.borrow().get(pattern) {
            return Ok(known.clone());
        }
        let (itself, byte) = TO_COMPILE;
        self.steps.take(steps(pattern.len()).saturating_mul(byte).saturating_add(itself))?;
        let compiled = compile(pattern).map(Rc::new);
        self.known.borrow_mut().insert(pattern, compiled.clone());
        Ok(compiled)
    }
}

impl Pattern {
    /// Whether the text contains a match.
    pub(super) fn matches(&self, text: &str, taken: &Steps) -> Result<bool, Spent> {
        taken.take(1)?;
        Ok(!self.0.all(text, taken)?.is_empty())
    }
}

fn compile(pattern: &str) -> Option<Pattern> {
    let config = syntax::Config::new().nest_limit(DEEPEST);
    let expression = syntax::parse_with(&in_our_syntax(pattern)?, &config).ok()?;
    Which::small(&[expression], LARGEST).ok().map(Pattern)
}

/// JavaScript's escapes that differ from those of our syntax.
const ESCAPES: [(char, &str); 8] = [
    ('d', "[0-9]"),
    ('D', "[^0-9]"),
    ('w', "[0-9A-Za-z_]"),
    ('W', "[^0-9A-Za-z_]"),
    ('s', r"[[\s--\x85]\u{FEFF}]"),
    ('S', r"[^[\s--\x85]\u{FEFF}]"),
    ('b', r"(?-u:\b)"),
    ('B', r"(?-u:\B)"),
];

/// Translates a pattern from JavaScript's syntax. `None` if it has an operator or escape that is only ours.
fn in_our_syntax(pattern: &str) -> Option<String> {
    let mut ours = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    let (mut in_class, mut before) = (false, ' ');
    while let Some(letter) = letters.next() {
        let escaped = if letter == '\\' { letters.next() } else { None };
        if let Some(escaped) = escaped {
            match ESCAPES.iter().find(|(own, _)| *own == escaped) {
                _ if "Aza<>".contains(escaped) => return None,
                Some(('b', _)) if in_class => ours.push_str(r"\x08"),
                Some((_, translated)) => ours.push_str(translated),
                None => {
                    ours.push('\\');
                    ours.push(escaped);
                }
            }
            before = ' ';
            continue;
        }
        match letter {
            '.' if !in_class => ours.push_str(r"[^\n\r\u2028\u2029]"),
            '-' if in_class && before == '-' => return None,
            _ => {
                if in_class && "[&~".contains(letter) {
                    ours.push('\\');
                }
                ours.push(letter);
                in_class = letter == '[' || (in_class && letter != ']');
            }
        }
        before = letter;
    }
    Some(ours)
}
