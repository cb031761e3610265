//! Stored numbers as text.

/// A stored number in the metric's unit, with as few digits as it needs.
#[derive(Debug, Clone, Copy)]
pub struct Scaled(
    /// The number.
    pub u64,
    /// How many of the stored unit make one of the metric's.
    pub u64,
);

impl std::fmt::Display for Scaled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(number, scale) = *self;
        let (Some(whole), Some(part)) = (number.checked_div(scale), number.checked_rem(scale)) else { return Ok(()) };
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = scale.checked_ilog10().unwrap_or_default();
        let part = format!("{part:0width$}", width = usize::try_from(digits).unwrap_or_default());
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}
