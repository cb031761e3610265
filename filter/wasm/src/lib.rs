//! The Sluice filter.
