//! stand-in
#![allow(missing_docs)]
use std::time::Duration;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings { pub failures: u32, pub open: Duration, pub longest: Duration, pub ramp: Duration }
