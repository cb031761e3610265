//! The latest purges. A response whose request arrived before a purge that concerns it is not stored after it.

use sluice_wire::time::Time;

use crate::bytes::Reader;
use crate::store::SharedData;
use crate::store::value::{Value, read, update};

use super::whose::{FACTS, Selection, Whose};

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"purges\0\x01";

/// Name in the shared data.
const NAME: &str = "sluice.cache.2.purges";

/// The digits of a purge as a text.
const DIGITS: usize = 16 + 4 * FACTS;

/// The number of purges that are stored. No response to a request from before an older one is stored.
const MOST: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Purges {
    /// The time of the latest purge that is no longer listed.
    forgotten: Time,
    /// Oldest first.
    latest: Vec<(Time, Selection)>,
}

impl Purges {
    pub(super) fn read(shared: &dyn SharedData) -> Self {
        read(shared, NAME)
    }

    /// Records a purge.
    pub(super) fn add(shared: &dyn SharedData, selection: Selection, now: Time) {
        update(shared, NAME, |mut purges: Self| {
            let latest = purges.latest.iter().find(|(_, known)| *known == selection).map(|(at, _)| *at);
            let now = latest.unwrap_or_default().max(now);
            purges.latest.retain(|(_, known)| *known != selection);
            if purges.latest.len() >= MOST {
                let (oldest, _) = purges.latest.remove(0);
                purges.forgotten = purges.forgotten.max(oldest);
            }
            purges.latest.push((now, selection));
            Some(purges)
        });
    }

    /// Whether one concerns the response to a request that arrived at `asked`.
    pub(super) fn concern(&self, whose: &Whose, asked: Time) -> bool {
        let concerns = |(at, selection): &(Time, Selection)| asked <= *at && selection.concerns(whose);
        (self.forgotten > Time::default() && asked <= self.forgotten) || self.latest.iter().any(concerns)
    }
}

/// Purges as a text: for each its time and its selection, in hexadecimal digits.
impl Purges {
    pub(super) fn text_of(selection: &Selection, at: Time) -> String {
        let facts: String = selection.0.iter().map(|fact| format!("{fact:04x}")).collect();
        format!("{:016x}{facts}", at.0)
    }

    /// Reads a list of these: its last ones, as many as are stored. Malformed ones, and those after `latest`, are left out.
    pub(super) fn of_text(text: &str, latest: Time) -> Self {
        let purge = |digits: &[u8]| {
            let (at, facts) = std::str::from_utf8(digits).ok()?.split_at_checked(16)?;
            let mut selection = Selection::default();
            for (fact, digits) in selection.0.iter_mut().zip(facts.as_bytes().chunks(4)) {
                *fact = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            }
            Some((Time(u64::from_str_radix(at, 16).ok()?), selection))
        };
        let all = text.as_bytes().chunks_exact(DIGITS);
        let purges = all.skip((text.len() / DIGITS).saturating_sub(MOST)).filter_map(purge);
        let purges = purges.filter(|(at, _)| *at <= latest).collect();
        Self { forgotten: Time::default(), latest: purges }
    }

    /// The purges of `text` that `shared` does not know yet.
    pub(super) fn unknown(self, shared: &dyn SharedData) -> Vec<(Time, Selection)> {
        let known = Self::read(shared);
        // If a list is too long, its two oldest purges become one of all responses, with the time of the second.
        let covers = |(at, selection): &(Time, Selection), (time, other): &(Time, Selection)| {
            (selection == other && at >= time) || (at == time && *other == Selection::default())
        };
        let is_new = |purge: &(Time, Selection)| {
            purge.0 > known.forgotten && !known.latest.iter().any(|other| covers(other, purge))
        };
        self.latest.into_iter().filter(is_new).collect()
    }
}

impl Value for Purges {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(&FORMAT)?);
        let mut purges = Self { forgotten: Time(reader.u64()?), latest: Vec::new() };
        while !reader.0.is_empty() && purges.latest.len() < MOST {
            let (at, mut facts) = (Time(reader.u64()?), [0; FACTS]);
            for fact in &mut facts {
                *fact = u16::from_le_bytes(reader.array()?);
            }
            purges.latest.push((at, Selection(facts)));
        }
        reader.0.is_empty().then_some(purges)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = FORMAT.to_vec();
        bytes.extend(self.forgotten.0.to_le_bytes());
        for (at, selection) in &self.latest {
            bytes.extend(at.0.to_le_bytes());
            selection.0.iter().for_each(|fact| bytes.extend(fact.to_le_bytes()));
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use sluice_wire::time::Time;

    use super::{MOST, Purges, Selection};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn of_a_list_that_is_too_long_only_the_last_purges_are_read() {
        let text: String = (1..=1000).map(|at| Purges::text_of(&Selection::default(), Time(at))).collect();
        let purges = Purges::of_text(&text, Time(2000));
        assert_eq!(purges.latest.len(), MOST);
        assert_eq!((purges.latest.first().unwrap().0, purges.latest.last().unwrap().0), (Time(969), Time(1000)));
    }
}
