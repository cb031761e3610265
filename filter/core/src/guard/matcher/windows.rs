//! Derives from an expression the short byte sequences that every match contains.
//!
//! A window is a sequence of byte sets. An expression has one window for each alternative, or one for several alternatives. The
//! invariant: every match of the expression contains one of its windows. Windows ignore look-around, so a window may occur without a
//! match.

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

/// The maximum distance at which an expression is followed from each of its parts.
const FAR: usize = 16;
/// The maximum number of parts at which a window may start.
const MOST_PARTS: usize = 24;
/// With more alternatives, one window covers all of them.
const MOST_BRANCHES: usize = 8;
/// The nesting depth up to which alternatives have their own windows.
const DEPTH: usize = 2;
/// Larger Unicode classes count as every non-ASCII letter.
const MOST_RANGES: usize = 32;
/// A window that is this rare is not extended.
const ENOUGH: f32 = 1e-10;
/// A window is not extended either if all possible extensions keep at least this share of its matches.
const LITTLE: f32 = 0.5;

/// A set of bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bytes([u64; 4]);

/// The byte sets of consecutive positions.
pub(super) type Window = Vec<Bytes>;

/// A set of windows. Every match contains one of them.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) windows: Vec<Window>,
    /// The estimated share of positions where one of them matches, from 0 to 1.
    pub(super) share: f32,
}

impl Bytes {
    fn add(&mut self, first: u8, last: u8) {
        for byte in first..=last {
            if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
                *word |= 1 << (byte % 64);
            }
        }
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte / 64)).is_some_and(|word| word & 1 << (byte % 64) != 0)
    }

    /// The estimated share of bytes in this set, from 0 to 1.
    fn share(&self) -> f32 {
        (0..=u8::MAX).filter(|byte| self.has(*byte)).map(share).sum::<f32>().min(1.0)
    }
}

/// The estimated share of this byte, from 0 to 1.
#[inline(never)]
fn share(byte: u8) -> f32 {
    let in_a_thousand = match byte {
        b' ' => 160.0,
        b'e' | b't' | b'a' | b'o' => 75.0,
        b'i' | b'n' | b's' | b'r' | b'h' => 52.0,
        b'l' | b'd' | b'c' | b'u' | b'm' => 26.0,
        b'f' | b'p' | b'g' | b'w' | b'y' | b'b' => 15.0,
        b'v' | b'k' => 7.0,
        b'a'..=b'z' => 1.5,
        b'A'..=b'Z' => 2.0,
        b'0'..=b'9' => 4.0,
        b'\n' => 15.0,
        b'.' | b',' => 8.0,
        b'-' | b'_' | b'"' | b'\'' | b'/' | b':' | b'(' | b')' => 3.0,
        b'!'..=b'~' | 0x80.. => 0.5,
        _ => 0.05,
    };
    in_a_thousand / 1000.0
}

impl Windows {
    /// Derives windows of at most `places` bytes; `None` if there are none.
    pub(super) fn of(expression: &Hir, places: usize) -> Option<Self> {
        let mut parts = Vec::new();
        flatten(expression, &mut parts);
        best(&parts, places, DEPTH)
    }
}

/// The consecutive parts of an expression.
fn flatten<'h>(expression: &'h Hir, parts: &mut Vec<&'h Hir>) {
    match expression.kind() {
        HirKind::Concat(inner) => inner.iter().for_each(|part| flatten(part, parts)),
        HirKind::Capture(capture) => flatten(&capture.sub, parts),
        _ => parts.push(expression),
    }
}

/// The rarest windows of these parts.
fn best(parts: &[&Hir], places: usize, depth: usize) -> Option<Windows> {
    let mut rest = parts;
    let mut found: Option<Windows> = None;
    let mut keep = |windows: Windows| {
        if found.as_ref().is_none_or(|known| windows.share < known.share) {
            found = Some(windows);
        }
    };
    for _ in 0..MOST_PARTS {
        let Some((first, after)) = rest.split_first() else { break };
        window(rest, places).into_iter().for_each(&mut keep);
        if let HirKind::Alternation(branches) = first.kind()
            && depth > 0
            && branches.len() <= MOST_BRANCHES
        {
            branches
                .iter()
                .try_fold(Windows { windows: Vec::new(), share: 0.0 }, |mut all, branch| {
                    let mut parts = Vec::new();
                    flatten(branch, &mut parts);
                    parts.extend(after);
                    let of_branch = best(&parts, places, depth.saturating_sub(1))?;
                    all.windows.extend(of_branch.windows);
                    all.share += of_branch.share;
                    Some(all)
                })
                .into_iter()
                .for_each(&mut keep);
        }
        rest = after;
    }
    found
}

/// The best window at the start of these parts.
fn window(parts: &[&Hir], places: usize) -> Option<Windows> {
    let mut sets = [Bytes::default(); FAR];
    let ends = parts.iter().fold(1, |from, part| follow(part, from, &mut sets));
    // A match may end here, so no later byte is certain.
    let length = usize::try_from(u32::trailing_zeros(ends)).unwrap_or(0).min(FAR);
    let sets = sets.get(..length)?;
    let shares: Vec<f32> = sets.iter().map(Bytes::share).collect();
    let of_length = |length: usize| {
        let windows = shares.windows(length).map(|window| window.iter().product::<f32>()).enumerate();
        let (start, share) = windows.min_by(|one, other| one.1.total_cmp(&other.1))?;
        Some((start..start.saturating_add(length), share))
    };
    let (_, least) = of_length(places.min(length).max(1))?;
    let most = (least / LITTLE).max(ENOUGH);
    let (window, share) = (1..=places).filter_map(of_length).find(|(_, share)| *share <= most)?;
    Some(Windows { windows: vec![sets.get(window)?.to_vec()], share })
}

/// Adds the bytes that may occur at each position if the expression starts at the positions `from`. Returns the positions where it may end.
/// Positions are bits; those beyond [`FAR`] are dropped.
fn follow(expression: &Hir, from: u32, sets: &mut [Bytes; FAR]) -> u32 {
    if from == 0 {
        return 0;
    }
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => from,
        HirKind::Literal(literal) => literal.0.iter().fold(from, |from, byte| one(from, *byte, *byte, sets)),
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().fold(0, |ends, range| ends | one(from, range.start(), range.end(), sets))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let of_ascii = class.ranges().iter().filter(|range| range.start().is_ascii());
            let mut ends =
                of_ascii.fold(0, |ends, range| ends | one(from, byte(range.start()), byte(range.end()), sets));
            if class.ranges().len() > MOST_RANGES {
                let mut at = one(from, 0xc2, 0xf4, sets);
                for _ in 0..3 {
                    at = one(at, 0x80, 0xbf, sets);
                    ends |= at;
                }
                return ends;
            }
            for range in class.ranges().iter().filter(|range| !range.end().is_ascii()) {
                for sequence in Utf8Sequences::new(range.start(), range.end()) {
                    ends |= sequence.as_slice().iter().fold(from, |from, part| one(from, part.start, part.end, sets));
                }
            }
            ends
        }
        HirKind::Repetition(times) => {
            let mut at = from;
            for _ in 0..times.min {
                let next = follow(&times.sub, at, sets);
                if std::mem::replace(&mut at, next) == next {
                    break;
                }
            }
            for _ in times.min..times.max.unwrap_or(u32::MAX) {
                let next = at | follow(&times.sub, at, sets);
                if std::mem::replace(&mut at, next) == next {
                    break;
                }
            }
            at
        }
        HirKind::Capture(capture) => follow(&capture.sub, from, sets),
        HirKind::Concat(parts) => parts.iter().fold(from, |from, part| follow(part, from, sets)),
        HirKind::Alternation(branches) => branches.iter().fold(0, |ends, branch| ends | follow(branch, from, sets)),
    }
}

/// Adds a byte range at each of these positions. Returns the positions after it. Not inlined: it has many callers, and none is hot.
#[inline(never)]
fn one(from: u32, first: u8, last: u8, sets: &mut [Bytes; FAR]) -> u32 {
    let places = sets.iter_mut().enumerate().filter(|(place, _)| from & 1 << place != 0);
    places.for_each(|(_, set)| set.add(first, last));
    from << 1 & ((1 << FAR) - 1)
}

/// The letter if it is ASCII, else the last ASCII one.
fn byte(letter: char) -> u8 {
    u8::try_from(letter).unwrap_or(0x7f).min(0x7f)
}
