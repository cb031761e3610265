//! Token counts of responses that providers store, by id. A later request may continue one (`previous_response_id`), and is then billed for
//! the whole conversation before it.
//!
//! The counts are in Envoy's shared data, for recent responses only. They size reservations; billing never uses them. If a response is not
//! found, for example because another Envoy handled it, the request reserves `reservation.unknown_input`.

use crate::mix::number;
use crate::store::SharedData;
use crate::store::value::{Value, read, update};

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"answers\x01";

/// Number of values, and the most responses in each: 64 KiB together.
const PAGES: u64 = 64;
const MOST: usize = 64;

/// Longer ids are ignored.
const LONGEST_ID: usize = 256;

/// The latest responses of one value, the newest last.
#[derive(Debug, Default)]
struct Page(Vec<Known>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// Hash of the response's id. On a collision, the newer response wins.
    id: u64,
    tokens: u64,
}

impl Value for Page {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.strip_prefix(&FORMAT)?.as_chunks::<16>();
        let known = |pair: &[u8; 16]| {
            let [id, tokens] = [pair.first_chunk()?, pair.last_chunk()?].map(|number| u64::from_le_bytes(*number));
            Some(Known { id, tokens })
        };
        rest.is_empty().then(|| pairs.iter().map(known).collect::<Option<_>>().map(Self)).flatten()
    }

    fn bytes(&self) -> Vec<u8> {
        let numbers = self.0.iter().flat_map(|known| [known.id, known.tokens]);
        FORMAT.into_iter().chain(numbers.flat_map(u64::to_le_bytes)).collect()
    }
}

fn place(id: &str) -> Option<(String, u64)> {
    let number = (1..=LONGEST_ID).contains(&id.len()).then(|| number(id.as_bytes(), &[]))?;
    Some((format!("sluice.answers.1.{}", number % PAGES), number))
}

/// Records that the response with this id, including its whole conversation, has `tokens` tokens.
pub fn remember(shared: &dyn SharedData, id: &str, tokens: u64) {
    let Some((name, id)) = place(id) else { return };
    update(shared, &name, |Page(mut known)| {
        known.retain(|other| other.id != id);
        let surplus = (known.len() + 1).saturating_sub(MOST);
        known.drain(..surplus);
        known.push(Known { id, tokens });
        Some(Page(known))
    });
}

/// The recorded token count of the response with this id.
pub fn tokens(shared: &dyn SharedData, id: &str) -> Option<u64> {
    let (name, id) = place(id)?;
    let Page(known) = read(shared, &name);
    known.iter().find(|known| known.id == id).map(|known| known.tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fake::Shared;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_last_answers_are_known_and_what_makes_no_sense_is_not() {
        let shared = Shared::default();
        assert_eq!(tokens(&shared, "resp_1"), None);
        remember(&shared, "resp_1", 70_000);
        remember(&shared, "resp_1", 80_000);
        assert_eq!(tokens(&shared, "resp_1"), Some(80_000));
        for number in 0..100_000 {
            remember(&shared, &format!("resp_{number:06}"), number);
        }
        assert_eq!((tokens(&shared, "resp_1"), tokens(&shared, "resp_099999")), (None, Some(99_999)));
        let (name, _) = place("resp_099999").unwrap();
        assert_eq!(shared.read(&name).unwrap().0.len(), 8 + 16 * MOST);
        for odd in [&b"answers\x01123"[..], b"answers\x02", b""] {
            shared.write(&name, odd, 0).unwrap();
            assert_eq!(tokens(&shared, "resp_099999"), None);
        }
        for id in ["", &"x".repeat(LONGEST_ID + 1)] {
            remember(&shared, id, 1);
            assert_eq!(tokens(&shared, id), None);
        }
    }
}
