//! A backend of the crate `log`: Envoy's own log, at Envoy's own level.
//!
//! This module and `sluice-core` log only here. The level is polled, because Envoy's admin interface can change it at runtime
//! (`/logging?wasm=debug`). Messages below it are not formatted.

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

/// Installs the logger, once in a VM.
pub fn install() {
    // An error means that it is installed already.
    let _ = log::set_logger(&Logger);
    follow();
}

/// Adopts Envoy's current level; warnings if Envoy does not report one.
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
