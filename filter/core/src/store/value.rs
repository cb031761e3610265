//! Small values in the memory that Envoy's workers share, which nothing is charged by: a change that others get ahead of too
//! often is dropped, and bytes that make no sense read as the default, and are overwritten with the next change.

use std::time::Duration;

use sluice_wire::time::Time;

use super::SharedData;

/// How often a change is tried when others write the same value in between. A value is written within microseconds, so that
/// losing so often in a row is rare, and what is lost is one observation.
const ATTEMPTS: usize = 16;

/// The version to write a value that does not exist yet. Envoy ignores it then; if somebody else was first, it is not the
/// version they got.
pub(crate) const NOT_YET: u32 = u32::MAX;

/// By how much a moment may be yet to come that another worker noted. All read the same clock, one a little before the other.
const SKEW: Duration = Duration::from_secs(1);

/// What is kept under one name. The default stands for what does not exist, and for what makes no sense.
pub(crate) trait Value: Default {
    /// From what [`Value::bytes`] gives; `None` from anything else.
    fn parse(bytes: &[u8]) -> Option<Self>;
    /// The bytes that are kept.
    fn bytes(&self) -> Vec<u8>;
}

pub(crate) fn read<V: Value>(shared: &dyn SharedData, name: &str) -> V {
    shared.read(name).and_then(|(bytes, _)| V::parse(&bytes)).unwrap_or_default()
}

/// Changes a value, again and again until nobody else wrote in between; whether it was changed. `change` says `None` when
/// there is nothing to write.
pub(crate) fn update<V: Value>(shared: &dyn SharedData, name: &str, change: impl Fn(V) -> Option<V>) -> bool {
    again(|| {
        let (value, version) = match shared.read(name) {
            Some((bytes, version)) => (V::parse(&bytes).unwrap_or_default(), version),
            None => (V::default(), NOT_YET),
        };
        let Some(changed) = change(value) else { return Some(false) };
        shared.write(name, &changed.bytes(), version).is_ok().then_some(true)
    })
}

/// Tries until it says whether something was changed; false when others get ahead too often.
pub(crate) fn again(change: impl Fn() -> Option<bool>) -> bool {
    (0..ATTEMPTS).find_map(|_| change()).unwrap_or(false)
}

/// So many numbers after the mark of their format, and nothing else.
pub(crate) fn parse<const N: usize>(format: &[u8; 8], bytes: &[u8]) -> Option<[u64; N]> {
    let (numbers, rest) = bytes.strip_prefix(format)?.as_chunks();
    let numbers: &[[u8; 8]; N] = numbers.try_into().ok()?;
    rest.is_empty().then(|| numbers.map(u64::from_le_bytes))
}

pub(crate) fn bytes(format: &[u8; 8], numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + 8 * numbers.len());
    bytes.extend(format);
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes
}

/// How long ago something was; `None` when it is yet to come, by a clock that was set back since.
pub(crate) fn age(now: Time, at: Time) -> Option<Duration> {
    (now.after(SKEW) >= at).then(|| now.since(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_come_back_as_they_were_and_from_nothing_else() {
        let format = b"numbers\x01";
        let written = bytes(format, &[0, 7, u64::MAX]);
        assert_eq!(parse(format, &written), Some([0, 7, u64::MAX]));
        assert_eq!(parse::<2>(format, &written), None);
        assert_eq!(parse::<3>(b"numbers\x02", &written), None);
        for length in 0..written.len() {
            assert_eq!(parse::<3>(format, &written[..length]), None, "{length}");
        }
        assert_eq!(parse::<3>(format, &[&written[..], b"x"].concat()), None);
    }

    #[test]
    fn what_a_clock_says_a_little_early_is_now_and_what_it_says_much_too_early_never_was() {
        let at = |millis: u64| Time(millis * 1_000_000);
        assert_eq!(age(at(1_500), at(1_000)), Some(Duration::from_millis(500)));
        assert_eq!(age(at(1_000), at(1_500)), Some(Duration::ZERO));
        assert_eq!(age(at(1_000), at(2_001)), None);
        assert_eq!(age(Time(u64::MAX), Time(u64::MAX)), Some(Duration::ZERO));
    }
}
