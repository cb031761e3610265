//! An embedding in one byte per dimension, and the similarity of two.
//!
//! Only the direction of an embedding counts. So the largest number becomes 127 or -127, and no scale is stored: the cosine does not depend
//! on it. Rounding turns the direction by at most `sqrt(n) * max / 254` of the vector's length, for `n` dimensions and the largest number
//! `max` of the unit vector. For real embeddings, whose numbers are of similar sizes, the similarity changes by less than 0.005.

/// The most dimensions of an embedding. Larger models than those known today would exceed it.
pub const MOST_DIMENSIONS: usize = 4096;

/// A quantised embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    numbers: Vec<i8>,
    /// The length of `numbers` as a vector; never zero.
    norm: f32,
}

impl Vector {
    /// Quantises an embedding; `None` if it has no direction or no valid number of dimensions.
    pub fn of(numbers: &[f32]) -> Option<Self> {
        let valid = numbers.len() <= MOST_DIMENSIONS && numbers.iter().all(|number| number.is_finite());
        let largest = numbers.iter().fold(0_f32, |largest, number| largest.max(number.abs()));
        if !valid || largest == 0.0 {
            return None;
        }
        // In 64 bits, no quotient overflows or loses the small numbers.
        let largest = f64::from(largest);
        Self::new(numbers.iter().map(|number| (f64::from(*number) / largest * 127.0).round() as i8).collect())
    }

    /// Reads the stored form; `None` if it has no direction or no valid number of dimensions.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let valid = bytes.len() <= MOST_DIMENSIONS;
        if valid { Self::new(bytes.iter().map(|byte| byte.cast_signed()).collect()) } else { None }
    }

    fn new(numbers: Vec<i8>) -> Option<Self> {
        let square = dot(&numbers, &numbers);
        (square > 0).then(|| Self { numbers, norm: (square as f32).sqrt() })
    }

    /// The number of dimensions.
    pub fn dimensions(&self) -> usize {
        self.numbers.len()
    }

    /// The stored form: a byte for each dimension.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.numbers.iter().map(|number| number.cast_unsigned())
    }

    /// The cosine of the angle between two embeddings, from -1 to 1; `None` if they have different dimensions.
    pub fn similarity(&self, other: &Self) -> Option<f32> {
        let comparable = self.dimensions() == other.dimensions();
        comparable.then(|| (dot(&self.numbers, &other.numbers) as f32 / (self.norm * other.norm)).clamp(-1.0, 1.0))
    }
}

/// At most 4096 products of at most 2^14.
fn dot(one: &[i8], other: &[i8]) -> i32 {
    one.iter().zip(other).map(|(one, other)| i32::from(*one) * i32::from(*other)).sum()
}
