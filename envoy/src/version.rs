//! What this command is: `sluice --version`. Scripts that build a release set the variables; a plain build knows only its version.

use std::sync::LazyLock;

use crate::table;

/// The git commit, from `SLUICE_COMMIT`.
const COMMIT: &str = match option_env!("SLUICE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
/// The SHA-256 of the modules that were built with this command, from `SLUICE_WASM_SHA256` and `SLUICE_NATIVE_SHA256`.
pub const WASM: Option<&str> = option_env!("SLUICE_WASM_SHA256");
pub const NATIVE: Option<&str> = option_env!("SLUICE_NATIVE_SHA256");

/// The text of `--version` after the command's name.
pub static TEXT: LazyLock<String> = LazyLock::new(|| {
    let module = |sha256: Option<&'static str>| sha256.unwrap_or("unknown");
    format!(
        "{}\ncommit        {COMMIT}\nsluice.wasm   SHA-256 {}\nlibsluice.so  SHA-256 {}\nprice table   {}",
        env!("CARGO_PKG_VERSION"),
        module(WASM),
        module(NATIVE),
        table::date()
    )
});
