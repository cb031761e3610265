//! Hash functions with the same results in every worker and every build. Workers find shared data by some of these hashes, so an updated
//! module must compute the same.

const PRIME: u64 = 0x0000_0100_0000_01b3;
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn step(hash: u64, byte: &u8) -> u64 {
    (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
}

/// FNV-1a of a text, without final mixing.
pub fn hash(text: &[u8]) -> u64 {
    text.iter().fold(OFFSET, step)
}

/// FNV-1a of two texts, mixed so that every bit depends on all of their bits.
pub fn number(first: &[u8], second: &[u8]) -> u64 {
    mixed(second.iter().fold(step(hash(first), &0xff), step))
}

/// Adds a text to a hash, eight bytes at a time. For long texts; [`hash`] is for short ones.
pub fn add(hash: u64, text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let step = |hash: u64, word: u64| mixed((hash.rotate_left(5) ^ word).wrapping_mul(PRIME));
    let hash = words.iter().fold(hash, |hash, word| step(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // The length keeps texts apart that differ in zeros at their ends, or in where one ends and the next begins.
    step(step(hash, u64::from_le_bytes(last)), text.len() as u64)
}

/// Mixes a number so that every bit depends on all its bits (the finalizer of SplitMix64).
pub fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A second mixing function (the finalizer of MurmurHash3). The embedded store derives record ids and shards from it.
pub fn spread(number: u64) -> u64 {
    let number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_numbers_are_the_same_in_every_build() {
        assert_eq!(hash(b"red"), 0x89e9_be19_60f4_c21c);
        assert_eq!(spread(hash(b"red")), 0x9ec9_ba33_30a6_4fb2);
        assert_eq!(spread(hash(b"requests/minute") ^ spread(7)), 0x2d95_64d4_41c1_986c);
        assert_eq!(number(b"a", b"b"), 0x552d_4556_57d9_1379);
        assert_ne!(add(add(1, b"ab"), b"c"), add(add(1, b"a"), b"bc"));
        assert_ne!(add(1, b"a"), add(1, b"a\0"));
    }
}
