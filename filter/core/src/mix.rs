//! Numbers that look random and are the same everywhere: made of what they belong to.

/// A number that belongs to two texts: FNV-1a, mixed so that every bit depends on all of them.
pub fn number(first: &[u8], second: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let hash = first.iter().fold(0xcbf2_9ce4_8422_2325, step);
    mixed(second.iter().fold(step(hash, &0xff), step))
}

/// A number whose every bit depends on all bits of this one (the finalizer of SplitMix64).
pub fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
