//! How Envoy avoids failing addresses: a provider's `availability`, as parts of its cluster.
//!
//! Envoy never gives up on a provider: if no address is healthy, it tries all of them, since a request without any address ends without a
//! fallback.

use std::time::Duration;

use sluice_config::file::{Availability, Connections, HealthCheck, OutlierDetection, Timeouts};
use sluice_core::provider::url::Url;
use sluice_wire::calendar;

use super::seconds;
use super::text::{fill, quote};

/// High on purpose: a busy provider is skipped by its limit on concurrent requests, in the filter.
const WIDE: u32 = 100_000;
/// Maximum interval of the outlier sweep, which also ends ejections.
const LONGEST_SWEEP: Duration = Duration::from_secs(10);

/// The default idle timeout of connections: many load balancers drop an idle connection after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// The connect timeout, including TLS: an unreachable target is given up no later than a silent one.
pub fn connect(timeouts: &Timeouts) -> Duration {
    let connect = duration(&timeouts.connect);
    timeouts.first_token.as_deref().map(duration).map_or(connect, |first_token| connect.min(first_token))
}

/// The idle timeout of connections.
pub fn idle(availability: &Availability) -> Duration {
    let written = availability.connections.as_ref().and_then(|connections| connections.idle.as_deref());
    written.map_or(IDLE, duration)
}

/// The availability parts of the cluster for `url`.
pub fn parts(availability: &Availability, url: &Url) -> String {
    let Availability { outlier_detection, health_check, slow_start, connections } = availability;
    [
        breakers(connections.as_ref().unwrap_or(&Connections::default())),
        outlier_detection.as_ref().map(outliers).unwrap_or_default(),
        health_check.as_ref().map(|check| health(check, url)).unwrap_or_default(),
        slow_start.as_deref().map(slow).unwrap_or_default(),
    ]
    .concat()
}

fn breakers(connections: &Connections) -> String {
    let most = |written: Option<u32>| written.unwrap_or(WIDE).to_string();
    fill(
        include_str!("breakers.yaml"),
        &[
            ("max", &most(connections.max)),
            ("pending", &most(connections.pending)),
            ("requests", &most(connections.requests)),
        ],
    )
}

fn outliers(outliers: &OutlierDetection) -> String {
    let ejection = duration(&outliers.ejection);
    fill(
        include_str!("outliers.yaml"),
        &[
            ("failures", &outliers.failures.to_string()),
            ("ejection", &seconds(ejection)),
            ("interval", &seconds(ejection.min(LONGEST_SWEEP))),
        ],
    )
}

fn health(check: &HealthCheck, url: &Url) -> String {
    // Envoy's health checks speak HTTP/1.1, but would also offer the ALPN protocols of requests, including HTTP/2.
    let tls = if url.tls { "tls_options: { alpn_protocols: [http/1.1] }" } else { "" };
    fill(
        include_str!("health.yaml"),
        &[
            ("interval", &seconds(duration(&check.interval))),
            ("timeout", &seconds(duration(&check.timeout))),
            ("unhealthy", &check.unhealthy.to_string()),
            ("healthy", &check.healthy.to_string()),
            ("host", &quote(&url.authority())),
            ("path", &quote(&check.path)),
            ("tls", tls),
        ],
    )
}

fn slow(window: &str) -> String {
    format!("round_robin_lb_config: {{ slow_start_config: {{ slow_start_window: {} }} }}\n", seconds(duration(window)))
}

/// Parses a duration that the check has validated.
fn duration(text: &str) -> Duration {
    calendar::duration(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(availability: &str, url: &str) -> String {
        parts(&serde_json::from_str(availability).unwrap(), &Url::parse(url).unwrap())
    }

    #[test]
    fn what_is_left_out_is_not_rendered() {
        let rendered = rendered("{}", "https://api.example/v1");
        let breakers =
            "max_connections: 100000, max_pending_requests: 100000, max_requests: 100000, max_retries: 100000";
        assert!(rendered.contains(breakers), "{rendered}");
        assert_eq!(rendered.lines().count(), 2, "{rendered}");
    }

    #[test]
    fn empty_parts_have_good_defaults() {
        let rendered =
            rendered(r#"{"outlier_detection":{},"health_check":{},"connections":{}}"#, "http://api.example:8000/v1");
        for expected in [
            "  consecutive_5xx: 5\n  base_ejection_time: 30s\n  interval: 10s\n  max_ejection_percent: 100\n",
            "- interval: 10s\n  no_traffic_interval: 10s #",
            "  timeout: 2s\n  unhealthy_threshold: 3\n  healthy_threshold: 2\n",
            "    host: \"api.example:8000\"\n    path: \"/health\"\n",
            "max_connections: 100000,",
        ] {
            assert!(rendered.contains(expected), "{expected}\n{rendered}");
        }
        assert!(!rendered.contains("tls_options") && !rendered.contains("slow_start"), "{rendered}");
    }

    #[test]
    fn what_is_written_is_rendered() {
        let availability = r#"{
            "outlier_detection": { "failures": 2, "ejection": "1500ms" },
            "health_check": { "path": "/on?a=b", "interval": "1s", "timeout": "500ms", "unhealthy": 4, "healthy": 1 },
            "slow_start": "1m",
            "connections": { "max": 10, "requests": 20 }
        }"#;
        let rendered = rendered(availability, "https://api.example/v1");
        for expected in [
            "consecutive_5xx: 2\n  base_ejection_time: 1.500s\n  interval: 1.500s\n",
            "timeout: 0.500s\n  unhealthy_threshold: 4\n  healthy_threshold: 1\n",
            "host: \"api.example\"\n    path: \"/on?a=b\"\n",
            "  tls_options: { alpn_protocols: [http/1.1] }\n",
            "slow_start_window: 60s",
            "max_connections: 10, max_pending_requests: 100000, max_requests: 20,",
        ] {
            assert!(rendered.contains(expected), "{expected}\n{rendered}");
        }
    }
}
