//! The filter builds that a gateway under test can run.

use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The wasm module.
    Wasm,
    /// The native module.
    Native,
}

impl Build {
    /// The build that `SLUICE_FILTER` names, or wasm.
    pub fn under_test() -> Self {
        match std::env::var("SLUICE_FILTER").as_deref() {
            Ok("native") => Self::Native,
            _ => Self::Wasm,
        }
    }

    /// Whether the filter runs in VMs, which can end and restart while Envoy runs. A native module ends with Envoy.
    pub fn has_vms(self) -> bool {
        self == Self::Wasm
    }

    /// The variable that names the module.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Wasm => "SLUICE_WASM",
            Self::Native => "SLUICE_NATIVE",
        }
    }

    /// The command's option that names the module.
    pub fn option(self) -> &'static str {
        match self {
            Self::Wasm => "--wasm",
            Self::Native => "--native",
        }
    }

    /// The command's arguments that choose this build.
    pub fn arguments(self) -> [&'static str; 2] {
        ["--filter", if self == Self::Native { "native" } else { "wasm" }]
    }

    /// The module's file name in a test's directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Wasm => "sluice.wasm",
            Self::Native => "libsluice.so",
        }
    }

    /// The path of the module.
    ///
    /// # Panics
    /// If `./scripts/test` has not set the variable.
    pub fn module(self) -> PathBuf {
        std::env::var_os(self.variable())
            .unwrap_or_else(|| panic!("{}, which ./scripts/test sets", self.variable()))
            .into()
    }

    /// An earlier version of the module, for tests of two versions side by side; without the variable, the module itself.
    pub fn older_module(self) -> PathBuf {
        let variable = if self == Self::Native { "SLUICE_OLD_NATIVE" } else { "SLUICE_OLD_WASM" };
        std::env::var_os(variable).map_or_else(|| self.module(), PathBuf::from)
    }

    /// The module with defects that a request can trigger, built by `./scripts/build --test`.
    ///
    /// # Panics
    /// If the module is missing.
    pub fn trap_module(self) -> PathBuf {
        let (variable, file) = match self {
            Self::Wasm => ("SLUICE_TRAP_WASM", "sluice-trap.wasm"),
            Self::Native => ("SLUICE_TRAP_NATIVE", "debug/examples/libsluice_native_trap.so"),
        };
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(file);
        let path = std::env::var_os(variable).map_or(beside, PathBuf::from);
        assert!(path.exists(), "{} is missing: run ./scripts/build --test first", path.display());
        path
    }
}
