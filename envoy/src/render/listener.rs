//! The listeners of clients and administrators.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_config::file::File;
use sluice_core::compiled::spec::LoggedClient;
use sluice_core::pipeline::gateway::endpoint::{ALIVE, READY};

use super::text::{fill, quote};
use super::{ADMINISTRATORS, CLIENTS, Options, access_log, downstream, local_replies, seconds};

/// The maximum duration of an administration request: 30 seconds to arrive, plus waiting for Redis.
const LONGEST_ADMINISTRATION: Duration = Duration::from_secs(300);

/// The caller's address, in the log of the administration interface.
const SOURCE: &str = r#","source":"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%""#;

/// The clients' listener. `routes` and `filter` are the inline configuration, or its discovery source.
pub fn clients(file: &File, total: Duration, routes: &str, filter: &str, options: &Options) -> String {
    // Validated by the check: an invalid address does not reach this point.
    let listen: SocketAddr = file.listen.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 8080)));
    fill(
        include_str!("listener.yaml"),
        &[
            ("address", &quote(&listen.ip().to_string())),
            ("port", &listen.port().to_string()),
            ("tls", &downstream::tls(file.tls.as_ref(), CLIENTS, options)),
            ("cors", &downstream::cors_filter(file.cors.as_ref())),
            ("ready", &quote(&format!("{READY}/?(\\?.*)?"))),
            ("access_log", &access_log::loggers(file, client(file), &unlogged(), options)),
            ("refusals", &local_replies::for_clients()),
            ("total", &seconds(total)),
            ("routes", routes),
            ("filter", filter),
        ],
    )
}

/// The client's address, in the log. If less than the full address is logged, the filter logs it.
pub fn client(file: &File) -> &'static str {
    match file.log.client {
        LoggedClient::Full => r#","client":"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%""#,
        LoggedClient::Network | LoggedClient::Off => "",
    }
}

/// The administration API's listener, if enabled.
pub fn administrators(file: &File, filter: &str, options: &Options) -> String {
    // Validated by the check, like the other listener.
    let listen = file.admin.as_ref().and_then(|admin| admin.listen.parse::<SocketAddr>().ok());
    let Some(listen) = listen else { return String::new() };
    fill(
        include_str!("admin.yaml"),
        &[
            ("address", &quote(&listen.ip().to_string())),
            ("port", &listen.port().to_string()),
            ("longest", &seconds(LONGEST_ADMINISTRATION)),
            ("refusals", &local_replies::for_administrators()),
            (
                "tls",
                &downstream::tls(file.admin.as_ref().and_then(|admin| admin.tls.as_ref()), ADMINISTRATORS, options),
            ),
            ("access_log", &access_log::loggers(file, SOURCE, "", options)),
            ("filter", filter),
        ],
    )
}

/// The log filter that omits health checks, which load balancers send every second or so.
pub fn unlogged() -> String {
    let regex = quote(&format!("({ALIVE}|{READY})/?(\\?.*)?"));
    // A request that Envoy could not parse has no path, and is logged.
    let missing = "invert_match: true, treat_missing_header_as_empty: true";
    let path = format!("{{ name: \":path\", string_match: {{ safe_regex: {{ regex: {regex} }} }}, {missing} }}");
    format!("{{ header_filter: {{ header: {path} }} }}")
}
