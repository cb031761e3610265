//! The provider simulator and the harness of the end-to-end tests.
