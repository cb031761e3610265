//! The builds of the filter that a gateway under test can run.

use std::path::{Path, PathBuf};

/// A build of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The wasm module.
    Wasm,
    /// The native module.
    Native,
}

impl Build {
    /// The one that `SLUICE_FILTER` names, or wasm.
    pub fn under_test() -> Self {
        match std::env::var("SLUICE_FILTER").as_deref() {
            Ok("native") => Self::Native,
            _ => Self::Wasm,
        }
    }

    /// Whether it runs in VMs, which can end and be made anew while Envoy runs. A native module ends with Envoy.
    pub fn has_vms(self) -> bool {
        self == Self::Wasm
    }

    /// The variable that names its module.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Wasm => "SLUICE_WASM",
            Self::Native => "SLUICE_NATIVE",
        }
    }

    /// The command's option that names its module.
    pub fn option(self) -> &'static str {
        match self {
            Self::Wasm => "--wasm",
            Self::Native => "--native",
        }
    }

    /// The command's arguments that choose it.
    pub fn arguments(self) -> [&'static str; 2] {
        ["--filter", if self == Self::Native { "native" } else { "wasm" }]
    }

    /// The name of its module's file, where one is made for a test.
    pub fn file(self) -> &'static str {
        match self {
            Self::Wasm => "sluice.wasm",
            Self::Native => "libsluice.so",
        }
    }

    /// Its module.
    ///
    /// # Panics
    /// When `./scripts/test` has not named it.
    pub fn module(self) -> PathBuf {
        std::env::var_os(self.variable())
            .unwrap_or_else(|| panic!("{}, which ./scripts/test sets", self.variable()))
            .into()
    }

    /// Its module of which a request can choose a defect, made for tests by `./scripts/build --test`.
    ///
    /// # Panics
    /// When it is missing.
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
