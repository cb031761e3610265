//! Scans a body's string literals once. The scan finds how deeply the JSON is nested, whether the body may hold another provider's
//! signed reasoning, and whether it may refer to stored data. A callback gets each literal, for the estimate of the prompt.
//!
//! The scan runs before the body is parsed. If the body is not JSON, only the depth is used.

use sluice_wire::dialect::foreign_reasoning;

use super::known_names::KnownName;
use super::literals::{Literal, Literals};

/// Deeper JSON is rejected: no real request is nested that deeply, and some providers' parsers recurse.
pub(super) const DEEPEST: usize = 128;

/// The findings of the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BodyScan {
    /// Whether brackets are open deeper than [`DEEPEST`].
    pub too_deep: bool,
    /// Whether the body may hold reasoning that another provider signed, or that has no signature.
    pub foreign_reasoning: bool,
    /// Whether the body certainly refers to no stored data. If it may, [`first_denied`] looks for the reference.
    ///
    /// [`first_denied`]: super::mentions::first_denied
    pub refers_to_nothing: bool,
    /// Whether the body may offer tools, at any depth.
    pub offers: bool,
}

/// A literal, as the callback gets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed<'a> {
    /// The literal.
    pub literal: Literal<'a>,
    /// The literal as a [`KnownName`].
    pub name: KnownName,
    /// The literal before, as a [`KnownName`].
    pub before: KnownName,
    /// Whether it is the value of a key, which is the literal before.
    pub is_value: bool,
}

/// Passes each literal of the body to `hear`. Returns the bytes after the last literal.
pub(crate) fn walk<'a>(body: &'a [u8], mut hear: impl FnMut(&Passed<'a>)) -> &'a [u8] {
    let mut literals = Literals::of(body);
    let mut before = KnownName::None;
    for literal in literals.by_ref() {
        let (name, is_value) = (KnownName::of(literal.text), literal.is_value());
        hear(&Passed { literal, name, before, is_value });
        before = name;
    }
    literals.rest()
}

impl BodyScan {
    /// Scans the body and passes each literal to `hear`.
    pub(crate) fn of<'a>(body: &'a [u8], mut hear: impl FnMut(&Passed<'a>)) -> (Self, &'a [u8]) {
        let mut body_scan = Self::default();
        let mut depth = Depth::default();
        let (mut refers, mut ids, mut items) = (false, false, false);
        let rest = walk(body, |passed| {
            depth.add(passed.literal.gap);
            match passed.name {
                KnownName::Id => ids = true,
                KnownName::Offering => body_scan.offers = true,
                KnownName::Input | KnownName::ItemReference => items = true,
                name => refers |= name.is_referring(),
            }
            body_scan.foreign_reasoning |= foreign_reasoning::may_begin(passed.literal.text)
                || (passed.before == KnownName::Signature && passed.is_value && passed.literal.text.is_empty());
            hear(passed);
        });
        depth.add(rest.split(|byte| *byte == b'"').next().unwrap_or_default());
        body_scan.too_deep = depth.most > DEEPEST;
        // An `id` is a reference in an item of `input`, in an object whose type is a reference, and below a referring key.
        body_scan.refers_to_nothing = !(refers || (ids && items));
        (body_scan, rest)
    }
}

/// The number of open brackets outside of literals, and its maximum.
#[derive(Debug, Default)]
struct Depth {
    open: usize,
    most: usize,
}

impl Depth {
    fn add(&mut self, gap: &[u8]) {
        for byte in gap {
            match byte {
                b'[' | b'{' => {
                    self.open = self.open.saturating_add(1);
                    self.most = self.most.max(self.open);
                }
                b']' | b'}' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
