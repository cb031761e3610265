//! Small values in Envoy's shared data that no billing depends on. An update that loses too many races is dropped. Bytes that do not parse
//! read as the default, and the next update overwrites them.

use std::time::Duration;

use sluice_wire::time::Time;

use super::SharedData;

/// How often an update is tried when other workers write the same value in between. A write takes microseconds, so losing every attempt is
/// rare and costs one observation.
pub(crate) const ATTEMPTS: usize = 16;

/// The version for writing a value that does not exist yet. Envoy ignores it in that case. If another worker created the value first, this
/// version does not match theirs.
pub(crate) const NOT_YET: u32 = u32::MAX;

/// How far in the future another worker's timestamp may lie. All workers read the same clock, some slightly earlier than others.
const SKEW: Duration = Duration::from_secs(1);

/// A value stored under one name. The default stands for a missing or malformed value.
pub(crate) trait Value: Default {
    /// Parses the output of [`Value::bytes`]; `None` for anything else.
    fn parse(bytes: &[u8]) -> Option<Self>;
    /// The stored form.
    fn bytes(&self) -> Vec<u8>;
}

pub(crate) fn read<V: Value>(shared: &dyn SharedData, name: &str) -> V {
    shared.read(name).and_then(|(bytes, _)| V::parse(&bytes)).unwrap_or_default()
}

/// Changes a value, retrying while other workers write in between. Returns whether it was changed. `change` returns `None` when there is
/// nothing to write.
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

/// Retries `change` until it reports whether something was changed; false when every attempt loses the race.
pub(crate) fn again(mut change: impl FnMut() -> Option<bool>) -> bool {
    (0..ATTEMPTS).find_map(|_| change()).unwrap_or(false)
}

/// Parses exactly `N` numbers behind the format's magic bytes.
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

/// How long ago `at` was; `None` when it lies in the future because the clock was set back.
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
