//! A bit set of positions in a text: there may be as many positions as bytes.

/// A set of positions.
#[derive(Debug, Default)]
pub(in crate::guard) struct Marks(Vec<u64>);

/// The number of positions in one word.
pub(in crate::guard) const WIDTH: usize = 64;

impl Marks {
    /// An empty set for a text of this length.
    pub(super) fn of(length: usize) -> Self {
        Self(vec![0; length / WIDTH + 1])
    }

    pub(super) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / WIDTH) {
            *word |= 1 << (at % WIDTH);
        }
    }

    /// The first position at or after `from`.
    pub(in crate::guard) fn next(&self, from: usize) -> Option<usize> {
        let rest = self.0.get(from / WIDTH..)?;
        let ahead = |(number, word): (usize, &u64)| {
            // Clears the positions before `from` in the first word.
            let word = if number == 0 { word & (u64::MAX << (from % WIDTH)) } else { *word };
            (word != 0).then(|| number * WIDTH + usize::try_from(word.trailing_zeros()).unwrap_or(0))
        };
        Some(from / WIDTH * WIDTH + rest.iter().enumerate().find_map(ahead)?)
    }
}
