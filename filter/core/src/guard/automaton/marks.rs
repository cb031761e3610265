//! Places in a text, a bit for each: there may be as many of them as bytes.

/// Some places of a text.
#[derive(Debug, Default)]
pub(in crate::guard) struct Marks(Vec<u64>);

/// So many of them are looked at in one step.
pub(in crate::guard) const WIDTH: usize = 64;

impl Marks {
    /// None yet, of a text of this length.
    pub(super) fn of(length: usize) -> Self {
        Self(vec![0; length / WIDTH + 1])
    }

    pub(super) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / WIDTH) {
            *word |= 1 << (at % WIDTH);
        }
    }

    /// The first of them that is not before `from`.
    pub(in crate::guard) fn next(&self, from: usize) -> Option<usize> {
        let rest = self.0.get(from / WIDTH..)?;
        let ahead = |(number, word): (usize, &u64)| {
            // Of the first word, what lies before is left out.
            let word = if number == 0 { word & (u64::MAX << (from % WIDTH)) } else { *word };
            (word != 0).then(|| number * WIDTH + usize::try_from(word.trailing_zeros()).unwrap_or(0))
        };
        Some(from / WIDTH * WIDTH + rest.iter().enumerate().find_map(ahead)?)
    }
}
