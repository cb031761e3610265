//! The filter as Envoy loads it, in each of its roles.

use std::path::Path;

use serde_json::{Value, json};
use sluice_config::file::{Availability, File};

use super::text::{ascii_json, fill, quote};
use super::{Module, Options, quote_path};

/// The filter in a role, with what it is told.
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

/// The type of the filter's configuration.
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

/// The filter among a provider cluster's own filters.
pub fn of_a_provider(options: &Options) -> String {
    fill(include_str!("provider.yaml"), &[("filter", &of("provider", &json!({ "role": "provider" }), options))])
}

/// The VM that all roles share.
pub fn vm(options: &Options) -> String {
    fill(include_str!("vm.yaml"), &[("id", &vm_id(options)), ("wasm", &quote_path(options.module.path()))])
}

/// The VM's name, and that of all that Envoy's workers count and keep together, whichever the module.
///
/// Tests that have one Envoy in turn name another VM in each turn, in a file beside the gateway file, and so find nothing of the
/// turn before. A command that is made for release does not look for it.
pub fn vm_id(options: &Options) -> String {
    let named = cfg!(debug_assertions).then(|| std::fs::read_to_string(options.base.join("vm-id")));
    named.and_then(Result::ok).unwrap_or_else(|| "sluice".to_owned())
}

/// Where credentials come from is not the filter's business, and what only Envoy does is not either.
pub fn for_the_filter(file: &File) -> File {
    let mut file = file.clone();
    for provider in file.providers.values_mut() {
        provider.key_count = Some(provider.key_count()).filter(|count| *count > 1);
        provider.forget_credential();
        provider.availability = Availability::default();
    }
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
    file
}
