//! Envoy's access loggers: each writes the same line, as text or as the body of an OTLP log record.
//!
//! The line begins with Envoy's own fields. The filter appends the remaining ones, starting with a comma, or nothing: then the request never
//! reached it.

use sluice_config::file::{File, Log, Otlp};
use sluice_core::pipeline::LOG_CLUSTER;
use sluice_core::provider::url::Url;

use super::text::{fill, quote};
use super::{Options, quote_path};

/// Envoy's fields of every line.
const COMMON: &str = include_str!("access_log.txt");

/// The filter's fields. Text logs omit an empty value.
const FILTERS: &str = "%FILTER_STATE(wasm.sluice.log:PLAIN)%";

/// The same for OTLP, where Envoy writes an empty value as `-`: a space does not harm the JSON.
const FILTERS_OR_SPACE: &str = concat!(
    r#"%COALESCE({"operators":[{"command":"FILTER_STATE","param":"wasm.sluice.log:PLAIN"},"#,
    r#"{"command":"START_TIME","param":" "}]})%"#
);

/// The loggers of a listener. `more` are further fields of Envoy, each after a comma; `filter` excludes requests from the log.
pub fn loggers(file: &File, more: &str, filter: &str, options: &Options) -> String {
    let begin = format!("{}{more}", COMMON.trim_end());
    let filter = if filter.is_empty() { String::new() } else { format!("filter: {filter}") };
    let text = text(&file.log, &format!("{begin}{FILTERS}}}\n"), &filter, options);
    let otlp = file.log.otlp.as_ref().map(|otlp| records(otlp, &format!("{begin}{FILTERS_OR_SPACE}}}"), &filter));
    text + &otlp.unwrap_or_default()
}

fn text(log: &Log, line: &str, filter: &str, options: &Options) -> String {
    let path = options.access_log.clone().or_else(|| Some(options.base.join(log.file.as_ref()?)));
    let (name, kind) = match path {
        None => ("stdout", "stream.v3.StdoutAccessLog"),
        Some(_) => ("file", "file.v3.FileAccessLog"),
    };
    let path = path.map(|path| format!("path: {}", quote_path(&path))).unwrap_or_default();
    let values = [("name", name), ("kind", kind), ("path", &path), ("filter", filter), ("line", &quote(line))];
    fill(include_str!("log_text.yaml"), &values)
}

fn records(otlp: &Otlp, line: &str, filter: &str) -> String {
    // Validated by the check, like the listener.
    let Ok(url) = Url::parse(&otlp.url) else { return String::new() };
    let scheme = if url.tls { "https" } else { "http" };
    let uri = quote(&format!("{scheme}://{}{}/v1/logs", url.authority(), url.base_path));
    let values = [("uri", &*uri), ("cluster", &quote(LOG_CLUSTER)), ("filter", filter), ("line", &quote(line))];
    fill(include_str!("log_otlp.yaml"), &values)
}
