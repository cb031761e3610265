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

/// Translates JavaScript's classes, which differ from those of our syntax. `None` if a class has an operator of our syntax.
fn in_our_syntax(pattern: &str) -> Option<String> {
    let mut ours = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    let (mut in_class, mut before) = (false, ' ');
    while let Some(letter) = letters.next() {
        let escaped = if letter == '\\' { letters.next() } else { None };
        match (letter, escaped) {
            (_, Some('d')) => ours.push_str("[0-9]"),
            (_, Some('D')) => ours.push_str("[^0-9]"),
            (_, Some('w')) => ours.push_str("[0-9A-Za-z_]"),
            (_, Some('W')) => ours.push_str("[^0-9A-Za-z_]"),
            (_, Some('s')) => ours.push_str(r"[[\s--\x85]\u{FEFF}]"),
            (_, Some('S')) => ours.push_str(r"[^[\s--\x85]\u{FEFF}]"),
            (_, Some('b')) if in_class => ours.push_str(r"\x08"),
            (_, Some('b')) => ours.push_str(r"(?-u:\b)"),
            (_, Some('B')) => ours.push_str(r"(?-u:\B)"),
            // Ours alone.
            (_, Some('A' | 'z' | 'a' | '<' | '>')) => return None,
            (_, Some(other)) => ours.extend([letter, other]),
            ('.', None) if !in_class => ours.push_str(r"[^\n\r\u2028\u2029]"),
            ('[', None) if in_class => ours.push_str(r"\["),
            ('&' | '~', None) if in_class => ours.extend(['\\', letter]),
            ('-', None) if in_class && before == '-' => return None,
            ('[', None) => {
                in_class = true;
                ours.push('[');
            }
            (']', None) => {
                in_class = false;
                ours.push(']');
            }
            _ => ours.push(letter),
        }
        before = if escaped.is_some() { ' ' } else { letter };
    }
    Some(ours)
}
