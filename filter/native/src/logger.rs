//! A backend of the crate `log`: Envoy's own log, at Envoy's own level.
//!
//! The level is polled, because Envoy's admin interface can change it at runtime (`/logging?dynamic_modules=debug`). Messages below it are
//! not formatted.
#![allow(unsafe_code)]

use std::panic;

use log::{Level, LevelFilter, Metadata, Record};

use crate::abi::{self, LogLevel, ModuleBuffer};

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => LogLevel::Error,
            Level::Warn => LogLevel::Warn,
            Level::Info => LogLevel::Info,
            Level::Debug => LogLevel::Debug,
            Level::Trace => LogLevel::Trace,
        };
        let text = format!("sluice: {}", record.args());
        // SAFETY: Envoy reads `text` during the call.
        unsafe { abi::log(level, ModuleBuffer::new(text.as_bytes())) }
    }

    fn flush(&self) {}
}

/// Installs the logger, once in a process. It also logs the location of a panic, but not its message, which may contain a part of a
/// request.
pub fn install() {
    if log::set_logger(&Logger).is_err() {
        return;
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!("a bug in the filter at {place} aborted a callback");
    }));
}

/// Adopts Envoy's current level.
pub fn follow() {
    let levels = [
        (LogLevel::Trace, LevelFilter::Trace),
        (LogLevel::Debug, LevelFilter::Debug),
        (LogLevel::Info, LevelFilter::Info),
        (LogLevel::Warn, LevelFilter::Warn),
        (LogLevel::Error, LevelFilter::Error),
    ];
    let level = levels.into_iter().find(|(level, _)| abi::log_enabled(*level));
    log::set_max_level(level.map_or(LevelFilter::Off, |(_, filter)| filter));
}
