//! How the row of a state is laid out, and where in it a byte is looked up.
//!
//! A closed state has a column for each class of bytes, an open one for each kind of place, and behind them, where that is not too
//! much, for each kind with each class: a shortcut through the closed state in between. Which of these it is depends on the byte and
//! the one before it, and stands in tables. The invariant: the first column of a row never leads anywhere, so what the tables do not
//! know is looked up there.

use regex_automata::nfa::thompson::NFA;

use super::looks::{Looks, SIDES};

const BYTES: usize = 256;
/// An open state has at most so many shortcuts.
const MOST_SHORTCUTS: usize = 512;

/// The columns of an automaton's rows.
#[derive(Debug)]
pub(super) struct Columns {
    /// For each class of bytes, which the expression does not tell apart, one of them.
    classes: Vec<u8>,
    kinds: usize,
    has_shortcuts: bool,
    /// For each byte, the column of its class.
    closed: Vec<u16>,
    /// For each side that the byte before may have, and each byte, the column of the shortcut.
    open: Vec<u16>,
    /// For each byte, and then for none, where its side begins in `open`.
    sides: Vec<u16>,
}

impl Columns {
    /// The column that has a state's number.
    pub(super) const NUMBER: usize = 1;
    /// The first that leads anywhere.
    const FIRST: usize = 2;

    pub(super) fn of(nfa: &NFA, looks: &Looks) -> Self {
        let classes: Vec<u8> = nfa.byte_classes().representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let kinds = looks.len();
        let closed =
            (0..=u8::MAX).map(|byte| narrow(Self::FIRST + usize::from(nfa.byte_classes().get(byte)))).collect();
        let has_shortcuts = kinds * classes.len() <= MOST_SHORTCUTS;
        // Behind a byte whose letter makes a difference nothing is known.
        let side = |byte: Option<u8>| narrow(looks.side_of(byte).unwrap_or(SIDES.len()) * BYTES);
        let sides = (0..=u8::MAX).map(Some).chain([None]).map(side).collect();
        let mut columns = Self { classes, kinds, has_shortcuts, closed, open: Vec::new(), sides };
        let shortcut = |last: usize, byte: u8| {
            let side = looks.side_of(Some(byte)).filter(|_| last < SIDES.len())?;
            let (before, after) = if nfa.is_reverse() { (side, last) } else { (last, side) };
            columns.shortcut(looks.kind_between(before, after), byte)
        };
        let row = |last| (0..=u8::MAX).map(move |byte| shortcut(last, byte).map_or(0, narrow));
        columns.open = (0..=SIDES.len()).flat_map(row).collect();
        columns
    }

    /// How long a row is.
    pub(super) fn len(&self, open: bool) -> usize {
        let shortcuts = if self.has_shortcuts { self.kinds * self.classes.len() } else { 0 };
        Self::FIRST + if open { self.kinds + shortcuts } else { self.classes.len() }
    }

    /// Where a byte is looked up in a closed state.
    pub(super) fn closed(&self, byte: u8) -> usize {
        self.closed.get(usize::from(byte)).copied().map_or(0, usize::from)
    }

    /// Where a byte is looked up in an open state, if the byte before has this side.
    pub(super) fn open(&self, side: usize, byte: u8) -> usize {
        self.open.get(side + usize::from(byte)).copied().map_or(0, usize::from)
    }

    /// The side of a byte, or of the text's edge.
    pub(super) fn side(&self, byte: Option<u8>) -> usize {
        self.sides.get(byte.map_or(BYTES, usize::from)).copied().map_or(0, usize::from)
    }

    /// Where a kind of place is looked up in an open state.
    pub(super) fn kind(&self, kind: usize) -> usize {
        Self::FIRST + kind
    }

    /// Where a byte at a kind of place is looked up in an open state.
    pub(super) fn shortcut(&self, kind: usize, byte: u8) -> Option<usize> {
        let class = self.closed(byte).checked_sub(Self::FIRST)?;
        self.has_shortcuts.then(|| Self::FIRST + self.kinds + kind * self.classes.len() + class)
    }

    /// The kind of place that is looked up in this column of an open state.
    pub(super) fn kind_of(&self, column: usize) -> usize {
        column.saturating_sub(Self::FIRST)
    }

    /// One of the bytes that are looked up in this column of a closed state.
    pub(super) fn byte_of(&self, column: usize) -> u8 {
        self.classes.get(column.saturating_sub(Self::FIRST)).copied().unwrap_or_default()
    }
}

/// Columns are few.
fn narrow(column: usize) -> u16 {
    u16::try_from(column).unwrap_or(0)
}
