//! The layout of a state's row, and the column of each byte.
//!
//! A closed state has one column for each byte class. An open state has one for each kind of position, and, unless that takes too many, one
//! for each kind with each class: a shortcut past the closed state in between. Tables map a byte and the byte before it to the shortcut.
//! The invariant: the first column of a row leads nowhere, and everything that the tables do not contain maps to it.

use regex_automata::nfa::thompson::NFA;

use super::looks::{Looks, SIDES};

const BYTES: usize = 256;
/// The maximum number of shortcuts of an open state.
const MOST_SHORTCUTS: usize = 512;

/// The columns of an automaton's rows.
#[derive(Debug)]
pub(super) struct Columns {
    /// One byte of each byte class.
    classes: Vec<u8>,
    kinds: usize,
    has_shortcuts: bool,
    /// The column of each byte's class.
    closed: Vec<u16>,
    /// The column of the shortcut, for each side of the byte before and each byte.
    open: Vec<u16>,
    /// The offset in `open` of each byte's side, and of the text's edge.
    sides: Vec<u16>,
}

impl Columns {
    /// The column with a state's number.
    pub(super) const NUMBER: usize = 1;
    /// The first column with a transition.
    const FIRST: usize = 2;

    pub(super) fn of(nfa: &NFA, looks: &Looks) -> Self {
        let classes: Vec<u8> = nfa.byte_classes().representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let kinds = looks.len();
        let closed =
            (0..=u8::MAX).map(|byte| narrow(Self::FIRST + usize::from(nfa.byte_classes().get(byte)))).collect();
        let has_shortcuts = kinds * classes.len() <= MOST_SHORTCUTS;
        // If the side depends on the whole letter, there is no shortcut.
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

    /// The length of a row.
    pub(super) fn len(&self, open: bool) -> usize {
        let shortcuts = if self.has_shortcuts { self.kinds * self.classes.len() } else { 0 };
        Self::FIRST + if open { self.kinds + shortcuts } else { self.classes.len() }
    }

    /// The column of a byte in a closed state.
    pub(super) fn closed(&self, byte: u8) -> usize {
        self.closed.get(usize::from(byte)).copied().map_or(0, usize::from)
    }

    /// The column of a byte in an open state, if the byte before has this side.
    pub(super) fn open(&self, side: usize, byte: u8) -> usize {
        self.open.get(side + usize::from(byte)).copied().map_or(0, usize::from)
    }

    /// The offset of the side of a byte, or of the text's edge.
    pub(super) fn side(&self, byte: Option<u8>) -> usize {
        self.sides.get(byte.map_or(BYTES, usize::from)).copied().map_or(0, usize::from)
    }

    /// The column of a kind of position in an open state.
    pub(super) fn kind(&self, kind: usize) -> usize {
        Self::FIRST + kind
    }

    /// The column of a byte at a kind of position in an open state.
    pub(super) fn shortcut(&self, kind: usize, byte: u8) -> Option<usize> {
        let class = self.closed(byte).checked_sub(Self::FIRST)?;
        self.has_shortcuts.then(|| Self::FIRST + self.kinds + kind * self.classes.len() + class)
    }

    /// The kind of position of this column in an open state.
    pub(super) fn kind_of(&self, column: usize) -> usize {
        column.saturating_sub(Self::FIRST)
    }

    /// A byte of the class of this column in a closed state.
    pub(super) fn byte_of(&self, column: usize) -> u8 {
        self.classes.get(column.saturating_sub(Self::FIRST)).copied().unwrap_or_default()
    }
}

/// Saturates at column 0. There are far fewer columns than that.
fn narrow(column: usize) -> u16 {
    u16::try_from(column).unwrap_or(0)
}
