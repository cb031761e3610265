//! Numbers that look random and are the same everywhere: made of what they belong to.

const PRIME: u64 = 0x0000_0100_0000_01b3;
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn step(hash: u64, byte: &u8) -> u64 {
    (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
}

/// A number that belongs to a text, and whose bits are not mixed: FNV-1a.
pub fn hash(text: &[u8]) -> u64 {
    text.iter().fold(OFFSET, step)
}

/// A number that belongs to two texts: FNV-1a, mixed so that every bit depends on all of them.
pub fn number(first: &[u8], second: &[u8]) -> u64 {
    mixed(second.iter().fold(step(hash(first), &0xff), step))
}

/// A number whose every bit depends on all bits of this one (the finalizer of SplitMix64).
pub fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
