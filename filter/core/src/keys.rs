//! Virtual keys: how one is written, and whom it admits where.
