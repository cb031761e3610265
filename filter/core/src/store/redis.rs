//! The store in Redis, over HTTP.
