//! Where a request may go.

pub mod capabilities;
pub mod needs;
