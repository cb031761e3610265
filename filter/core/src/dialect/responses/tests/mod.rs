//! What the dialect promises, by direction.
