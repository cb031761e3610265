//! The store in the memory that Envoy's workers share.
