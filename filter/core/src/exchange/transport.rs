//! Why a provider could not be reached, in a word, from what Envoy says of its last attempt. Envoy does not say it of those before.

/// What failed, of Envoy's response code details and its reason of a transport that failed. `is_named` is whether the provider has
/// a name that has to be looked up.
pub fn failure(details: &str, transport: &str, is_named: bool) -> Option<String> {
    if transport.contains("TLS_error") {
        return Some(format!("tls: {}", of_tls(transport)));
    }
    let word = match details {
        _ if details.contains("connection_timeout") => "connect_timeout",
        _ if details.contains("no_healthy_upstream") => match is_named {
            true => "dns",
            false => "no_healthy_address",
        },
        _ if transport.contains("refused") || details.contains("refused") => "refused",
        _ if transport.contains("unreachable") || transport.contains("No_route") => "unreachable",
        _ if details.contains("connection_failure") => "connect_failure",
        _ if details.contains("connection_termination") => "closed",
        _ if details.contains("remote_reset") || details.contains("reset_before_response") => "reset",
        _ => return None,
    };
    Some(word.to_owned())
}

/// The last words of BoringSSL's reason, which say what is wrong: `certificate has expired`.
fn of_tls(reason: &str) -> String {
    let parts = reason.split([':', '|']).map(str::trim);
    let said =
        parts.filter(|part| !part.is_empty() && *part != "TLS_error_end" && !part.chars().all(|c| c.is_ascii_digit()));
    let last = said.last().unwrap_or("handshake failed");
    last.replace('_', " ").to_lowercase().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn envoys_words_become_one() {
        for (details, transport, named, expected) in [
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
            assert_eq!(failure(details, transport, named).as_deref(), expected, "{details}");
        }
    }
}
