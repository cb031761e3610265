//! A quick scan that clears texts without a match. Most texts have none, and the scan costs a few instructions a byte.
//!
//! The sieve searches for the [windows](super::windows) of all expressions at once. Each place of a window is a bit of one word, and
//! each byte of the text moves the bits that it matches on to the next place. A space in a window also matches several spaces and line
//! ends, so one scan covers the text and its folded form. For letters that fold in other ways the sieve reports that the text has to be
//! folded. The invariant: if the sieve reports nothing, no expression matches the text or its folded form.

use std::ops::RangeInclusive;

use regex_syntax::hir::Hir;

use super::windows::{Bytes, Windows};

/// The bytes of letters that fold in another way than [`SPACES`], and of some letters that start with the same bytes.
const FOLDED: [&[&[RangeInclusive<u8>]]; 5] = [
    &[&[0..=0]],
    &[&[0xc2..=0xc2, 0xe1..=0xe1], &[0x9a..=0x9a, 0xa0..=0xa0, 0xad..=0xad]],
    &[&[0xe2..=0xe3], &[0x80..=0x80], &[0x80..=0x8f, 0xa8..=0xa9, 0xaf..=0xaf]],
    &[&[0xe2..=0xe2], &[0x81..=0x81], &[0x9f..=0xa4]],
    &[&[0xef..=0xef], &[0xbb..=0xbd]],
];
/// The characters that fold to one space.
const SPACES: &[u8] = b" \t\n\r";
/// The maximum lengths of windows, tried in order: shorter windows make room for more.
const PLACES: [usize; 7] = [10, 8, 6, 5, 4, 3, 2];
/// If windows match at a larger share of positions, nearly every text contains one.
const TOO_MANY: f32 = 0.01;
/// The number of bytes between two checks of the result.
const BLOCK: usize = 128;

/// The result of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::guard) enum Sight {
    /// No match, in the text or in its folded form.
    Nothing,
    /// No match in the text. The folded form may have one.
    Folds,
    /// The text may have a match.
    Something,
}

/// The windows of all expressions.
pub(super) struct Sieve {
    rows: Box<[Row; 256]>,
    /// The first positions of the windows.
    first: u64,
    /// The last positions of the windows, without those of folded letters.
    last: u64,
    /// The last positions of folded letters.
    folded: u64,
}

/// The positions that match a byte.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// The positions where the byte matches.
    here: u64,
    /// The positions that stay current at the byte: a space of the window repeats.
    besides: u64,
}

impl Sieve {
    /// Builds a sieve for these expressions; `None` if nearly every text would pass it.
    pub(super) fn of(expressions: &[Hir]) -> Option<Self> {
        let (sieve, share) = PLACES.iter().find_map(|places| Self::with(expressions, *places))?;
        (share < TOO_MANY).then_some(sieve)
    }

    /// Builds a sieve with windows of `places` bytes, and estimates the share of positions where one matches. `None` if there is no room.
    fn with(expressions: &[Hir], places: usize) -> Option<(Self, f32)> {
        let mut sieve = Self { rows: Box::new([Row::default(); 256]), first: 0, last: 0, folded: 0 };
        let mut bit = 0;
        for letters in FOLDED {
            let may_be = |place: usize, byte: u8| {
                letters.get(place).is_some_and(|set| set.iter().any(|range| range.contains(&byte)))
            };
            sieve.folded |= sieve.add(&mut bit, letters.len(), may_be)?;
        }
        let mut share = 0.0;
        for expression in expressions {
            let windows = Windows::of(expression, places)?;
            share += windows.share;
            for window in windows.windows {
                sieve.last |= sieve.add_window(&mut bit, &window)?;
            }
        }
        Some((sieve, share))
    }

    fn add_window(&mut self, bit: &mut u32, window: &[Bytes]) -> Option<u64> {
        let from = *bit;
        let is_space = |byte: u8| SPACES.contains(&byte);
        let may_be = |place: usize, byte: u8| {
            window.get(place).is_some_and(|set| set.has(byte) || is_space(byte) && set.has(b' '))
        };
        let last = self.add(bit, window.len(), may_be)?;
        for (place, _) in (from..).zip(window).filter(|(_, set)| set.has(b' ')) {
            for space in SPACES {
                if let Some(row) = self.rows.get_mut(usize::from(*space)) {
                    row.besides |= 1 << place;
                }
            }
        }
        Some(last)
    }

    /// Adds a window that starts at `bit`. Returns the bit of its last position; `None` if there is no room.
    fn add(&mut self, bit: &mut u32, length: usize, may_be: impl Fn(usize, u8) -> bool) -> Option<u64> {
        let end = bit.checked_add(u32::try_from(length).ok()?).filter(|end| *end <= u64::BITS)?;
        for (bit, place) in (*bit..end).zip(0..) {
            for (byte, row) in (0..=u8::MAX).zip(self.rows.iter_mut()) {
                row.here |= u64::from(may_be(place, byte)) << bit;
            }
        }
        self.first |= 1 << *bit;
        *bit = end;
        Some(1 << end.checked_sub(1)?)
    }

    /// Consumes a byte. Returns the current positions, and all positions reached so far.
    #[inline]
    fn step(&self, (places, seen): (u64, u64), byte: u8) -> (u64, u64) {
        let Row { here, besides } = self.rows.get(usize::from(byte)).copied().unwrap_or_default();
        let places = (places << 1 | self.first) & here | places & besides;
        (places, seen | places)
    }

    /// Scans a text.
    pub(super) fn look(&self, text: &str) -> Sight {
        let (mut places, mut seen) = (0, 0);
        for block in text.as_bytes().chunks(BLOCK) {
            // Eight bytes at a time save most of the loop overhead.
            let (eights, rest) = block.as_chunks::<8>();
            for eight in eights {
                (places, seen) = eight.iter().fold((places, seen), |state, byte| self.step(state, *byte));
            }
            (places, seen) = rest.iter().fold((places, seen), |state, byte| self.step(state, *byte));
            if seen & self.last != 0 {
                return Sight::Something;
            }
        }
        if seen & self.folded == 0 { Sight::Nothing } else { Sight::Folds }
    }
}

/// Omits the rows, which would fill pages.
impl std::fmt::Debug for Sieve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a sieve of {} windows", self.first.count_ones())
    }
}

#[cfg(test)]
mod tests;
