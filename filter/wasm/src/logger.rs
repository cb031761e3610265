//! The logger behind the crate `log`: Envoy's own log, at Envoy's own level.
//!
//! All that this module or `sluice-core` says goes through it. The level is asked for now and then, since Envoy's administration can
//! change it while Envoy runs (`/logging?wasm=debug`). Below it nothing is formatted.

use log::{Level, LevelFilter, Metadata, Record};
use proxy_wasm::types::LogLevel;

use sluice_shell::Failed;

use crate::host;

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            host::log(level(record.level()), &format!("sluice: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Trace => LogLevel::Trace,
    }
}

/// Installs it, once in a VM.
pub fn install() {
    // An error means that it is installed already.
    let _ = log::set_logger(&Logger);
    follow();
}

/// Takes Envoy's level over, as it is now. An Envoy that does not tell hears of warnings.
pub fn follow() {
    log::set_max_level(match host::log_level() {
        Ok(LogLevel::Trace) => LevelFilter::Trace,
        Ok(LogLevel::Debug) => LevelFilter::Debug,
        Ok(LogLevel::Info) => LevelFilter::Info,
        Ok(LogLevel::Warn) | Err(Failed) => LevelFilter::Warn,
        Ok(LogLevel::Error) => LevelFilter::Error,
        Ok(LogLevel::Critical) => LevelFilter::Off,
    });
}
