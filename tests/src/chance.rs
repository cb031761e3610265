//! A seeded pseudo-random generator (SplitMix64), so that random choices can be repeated.

#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An independent generator for one of several actors that share a seed.
    pub fn of(seed: u64, number: u64) -> Self {
        Self(Self(seed ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03)).number())
    }

    /// The next 64-bit number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..end`; zero if `end` is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or_default()
    }

    /// True with this probability, in percent.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A random element.
    ///
    /// # Panics
    /// If the slice is empty.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// A random element, weighted.
    ///
    /// # Panics
    /// If no weight is above zero.
    pub fn weighted<'a, T>(&mut self, all: &'a [(u64, T)]) -> &'a T {
        let mut place = self.below(all.iter().map(|(weight, _)| weight).sum());
        let chosen = all.iter().find(|(weight, _)| {
            let here = place < *weight;
            place = place.saturating_sub(*weight);
            here
        });
        chosen.map(|(_, one)| one).expect("something with a weight")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_again_and_another_one_something_else() {
        let numbers = |mut chance: Chance| [(); 4].map(|()| chance.number());
        assert_eq!(numbers(Chance::of(7, 1)), numbers(Chance::of(7, 1)));
        assert_ne!(numbers(Chance::of(7, 1)), numbers(Chance::of(7, 2)));
        assert_ne!(numbers(Chance::of(7, 1)), numbers(Chance::of(8, 1)));
    }

    #[test]
    fn each_comes_as_often_as_its_weight_says() {
        let mut chance = Chance::new(1);
        let all = [(700, 'a'), (0, 'b'), (300, 'c')];
        let drawn: Vec<char> = (0..10_000).map(|_| *chance.weighted(&all)).collect();
        let count = |one| drawn.iter().filter(|drawn| **drawn == one).count();
        assert!((6_800..7_200).contains(&count('a')), "{}", count('a'));
        assert_eq!((count('b'), count('a') + count('c')), (0, 10_000));
    }
}
