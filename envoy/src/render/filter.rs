//! The filter's Envoy configuration, in each of its roles.

use std::path::Path;

use serde_json::{Value, json};
use sluice_config::file::{Availability, File};

use super::text::{ascii_json, fill, quote};
use super::{Module, Options, quote_path};

/// The filter in a role, with its configuration.
pub fn of(role: &str, configuration: &Value, options: &Options) -> String {
    let configuration = ascii_json(configuration);
    match &options.module {
        Module::Wasm(_) => fill(
            include_str!("filter.yaml"),
            &[("role", role), ("vm", &vm(options)), ("configuration", &configuration)],
        ),
        Module::Native(path) => fill(
            include_str!("native.yaml"),
            &[("module", &quote(&name(path))), ("id", &quote(&vm_id(options))), ("configuration", &configuration)],
        ),
    }
}

/// The type URL of the filter's configuration.
pub fn kind(options: &Options) -> &'static str {
    match options.module {
        Module::Wasm(_) => "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        Module::Native(_) => "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
    }
}

/// The module's name in Envoy's configuration: Envoy loads the file `libNAME.so`.
pub fn name(path: &Path) -> String {
    let file = path.file_stem().unwrap_or_default().to_string_lossy();
    file.strip_prefix("lib").unwrap_or(&file).to_owned()
}

/// The filter as an upstream filter of a provider's cluster.
pub fn of_a_provider(options: &Options) -> String {
    fill(include_str!("provider.yaml"), &[("filter", &of("provider", &json!({ "role": "provider" }), options))])
}

/// The VM configuration that all roles share.
pub fn vm(options: &Options) -> String {
    fill(include_str!("vm.yaml"), &[("id", &vm_id(options)), ("wasm", &quote_path(options.module.path()))])
}

/// The VM's name, under which Envoy's workers share state, with either module.
///
/// Tests that reuse one Envoy write a new name into a file next to the gateway file, so that each test starts without the previous one's
/// state. Release builds ignore the file.
pub fn vm_id(options: &Options) -> String {
    let named = cfg!(debug_assertions).then(|| std::fs::read_to_string(options.base.join("vm-id")));
    named.and_then(Result::ok).unwrap_or_else(|| "sluice".to_owned())
}

/// The gateway file without credential sources and without settings for Envoy only.
pub fn for_the_filter(file: &File) -> File {
    let mut file = file.clone();
    for provider in file.providers.values_mut() {
        provider.key_count = Some(provider.key_count()).filter(|count| *count > 1);
        provider.forget_credential();
        provider.availability = Availability::default();
    }
    file.judges = sluice_config::judges_for_the_filter(&file);
    file.tls = None;
    file.cors = None;
    if let Some(admin) = &mut file.admin {
        admin.tls = None;
    }
    if let Some(redis) = &mut file.redis {
        redis.token = None;
    }
    if let Some(tracing) = &mut file.tracing {
        tracing.token = None;
    }
    if let Some(otlp) = &mut file.metrics.otlp {
        otlp.token = None;
    }
    if let Some(alerts) = &mut file.alerts {
        alerts.token = None;
    }
    (file.log.file, file.log.otlp) = (None, None);
    file
}
