//! Names the reason why a provider could not be reached, from Envoy's report on its last attempt. Envoy reports no earlier attempts.

/// Envoy's own report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransportReport {
    /// The response code details.
    pub details: String,
    /// The transport failure reason.
    pub reason: String,
    /// The address tried last.
    pub address: String,
}

/// The placeholder address that `sluice render` gives Envoy for a name without one.
pub const NO_ADDRESS: &str = "127.0.0.1:1";

/// The failure in a word. `is_named`: the provider has a DNS name.
pub fn failure(report: &TransportReport, is_named: bool) -> Option<String> {
    let TransportReport { details, reason: transport, address } = report;
    if is_named && address == NO_ADDRESS {
        return Some("dns".to_owned());
    }
    if transport.contains("TLS_error") {
        return Some(format!("tls: {}", of_tls(transport)));
    }
    let word = match details {
        _ if details.contains("connection_timeout") => "connect_timeout",
        // Envoy avoids an address that has just failed, so the next attempt finds no host.
        _ if transport.contains("refused") || details.contains("refused") => "refused",
        // After the last attempt Envoy looks for another host and finds none. About that attempt's connection, only this is known: it was
        // established, and lost.
        _ if details.contains("no_healthy_upstream") => match (address.is_empty(), is_named) {
            (false, _) => "closed",
            (true, true) => "dns",
            (true, false) => "no_healthy_address",
        },
        _ if transport.contains("unreachable") || transport.contains("No_route") => "unreachable",
        _ if details.contains("connection_failure") => "connect_failure",
        _ if details.contains("connection_termination") => "closed",
        _ if details.contains("remote_reset") || details.contains("reset_before_response") => "reset",
        _ => return None,
    };
    Some(word.to_owned())
}

/// The last part of BoringSSL's reason: `certificate has expired`.
fn of_tls(reason: &str) -> String {
    let is_word = |part: &&str| {
        !part.is_empty() && *part != "TLS_error_end" && !part.chars().all(|character| character.is_ascii_digit())
    };
    let last = reason.rsplit([':', '|']).map(str::trim).find(is_word).unwrap_or("handshake failed");
    last.replace('_', " ").to_ascii_lowercase().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn envoys_words_become_one() {
        let nowhere = TransportReport {
            address: NO_ADDRESS.to_owned(),
            reason: "Connection_refused".into(),
            ..TransportReport::default()
        };
        assert_eq!(failure(&nowhere, true).as_deref(), Some("dns"));
        assert_eq!(failure(&nowhere, false).as_deref(), Some("refused"));
        let lost = TransportReport {
            address: "192.0.2.1:80".to_owned(),
            details: "no_healthy_upstream".into(),
            ..TransportReport::default()
        };
        for named in [true, false] {
            assert_eq!(
                failure(&lost, named).as_deref(),
                Some("closed"),
                "a name that has an address, and a connection"
            );
        }
        for (details, reason, named, expected) in [
            (
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                "delayed_connect_error:_Connection_refused",
                false,
                Some("refused"),
            ),
            ("upstream_reset_before_response_started{connection_timeout}", "", true, Some("connect_timeout")),
            ("no_healthy_upstream", "", true, Some("dns")),
            ("no_healthy_upstream", "", false, Some("no_healthy_address")),
            (
                "upstream_reset_before_response_started{remote_connection_failure|TLS_error:…}",
                "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: X509_verify_cert: certificate verification error at depth 0: certificate has expired:TLS_error_end",
                true,
                Some("tls: certificate has expired"),
            ),
            ("upstream_reset_before_response_started{connection_termination}", "", true, Some("closed")),
            ("via_upstream", "", true, None),
        ] {
            let report =
                TransportReport { details: details.to_owned(), reason: reason.to_owned(), address: String::new() };
            assert_eq!(failure(&report, named).as_deref(), expected, "{details}");
        }
    }
}
