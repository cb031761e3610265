//! Checks a provider's `availability`. It is not compiled: `sluice render` reads it as written.

use super::super::file::{Availability, Connections, HealthCheck, OutlierDetection};
use super::Check;
use super::place::{Path, quoted};

const PATH_MAX: usize = 1024;

impl Check<'_> {
    pub(super) fn availability(&mut self, written: &Availability, path: &Path) {
        if let Some(outliers) = &written.outlier_detection {
            self.outlier_detection(outliers, &path.key("outlier_detection"));
        }
        if let Some(health) = &written.health_check {
            self.health_check(health, &path.key("health_check"));
        }
        if let Some(slow_start) = &written.slow_start {
            self.wait(slow_start, &path.key("slow_start"));
        }
        if let Some(Connections { max, pending, requests, idle }) = &written.connections {
            let path = path.key("connections");
            if let Some(idle) = idle {
                self.wait(idle, &path.key("idle"));
            }
            for (field, most) in [("max", max), ("pending", pending), ("requests", requests)] {
                if *most == Some(0) {
                    self.diagnostic(&path.key(field), "0, which rejects every request", "1 or more");
                }
            }
        }
    }

    fn outlier_detection(&mut self, outliers: &OutlierDetection, path: &Path) {
        self.in_a_row(outliers.failures, &path.key("failures"));
        self.wait(&outliers.ejection, &path.key("ejection"));
    }

    fn health_check(&mut self, health: &HealthCheck, path: &Path) {
        if !is_path(&health.path) {
            let expected = "a path that begins with a slash, such as /health: visible ASCII characters, 1024 at most";
            self.diagnostic(&path.key("path"), quoted(&health.path), expected);
        }
        self.wait(&health.interval, &path.key("interval"));
        self.wait(&health.timeout, &path.key("timeout"));
        self.in_a_row(health.unhealthy, &path.key("unhealthy"));
        self.in_a_row(health.healthy, &path.key("healthy"));
    }

    fn in_a_row(&mut self, count: u32, path: &Path) {
        if count == 0 {
            self.diagnostic(path, "0", "1 or more consecutive results");
        }
    }
}

/// The path becomes a request's `:path` unchanged.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.len() <= PATH_MAX && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}

#[cfg(test)]
mod tests {
    use crate::file::File;

    fn diagnostics(availability: &str) -> Vec<String> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai","availability":{availability}}}}},
            "models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},"teams":{{}},"keys":[]}}"#
        );
        let diagnostics = crate::compile(&serde_json::from_str::<File>(&text).unwrap()).err().unwrap_or_default();
        diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_part_may_be_left_out_or_empty_or_full() {
        for good in [
            "{}",
            r#"{"outlier_detection":{},"health_check":{},"connections":{}}"#,
            r#"{"outlier_detection":{"failures":1,"ejection":"500ms"},"slow_start":"24h"}"#,
            r#"{"health_check":{"path":"/v1/x?y=%20","interval":"1s","timeout":"1s","unhealthy":1,"healthy":1}}"#,
            r#"{"connections":{"max":1,"pending":1,"requests":4294967295}}"#,
        ] {
            assert_eq!(diagnostics(good), [""; 0], "{good}");
        }
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        for (availability, expected) in [
            (r#"{"outlier_detection":{"failures":0}}"#, "outlier_detection.failures: found 0, expected 1 or more"),
            (
                r#"{"outlier_detection":{"ejection":"0s"}}"#,
                "outlier_detection.ejection: found \"0s\", expected a time above",
            ),
            (
                r#"{"health_check":{"path":"health"}}"#,
                "health_check.path: found \"health\", expected a path that begins",
            ),
            (r#"{"health_check":{"path":"/a b"}}"#, "health_check.path: found \"/a b\""),
            (r#"{"health_check":{"path":"/\r\nx: y"}}"#, "health_check.path: found \"/\\r\\nx: y\""),
            (r#"{"health_check":{"interval":"often"}}"#, "health_check.interval: found \"often\", expected a time"),
            (r#"{"health_check":{"timeout":"25h"}}"#, "health_check.timeout: found \"25h\""),
            (r#"{"health_check":{"unhealthy":0}}"#, "health_check.unhealthy: found 0"),
            (r#"{"health_check":{"healthy":0}}"#, "health_check.healthy: found 0"),
            (r#"{"slow_start":"30"}"#, "slow_start: found \"30\", expected a time"),
            (
                r#"{"connections":{"max":0}}"#,
                "connections.max: found 0, which rejects every request, expected 1 or more",
            ),
            (r#"{"connections":{"pending":0}}"#, "connections.pending: found 0"),
            (r#"{"connections":{"idle":"0s"}}"#, "connections.idle: found \"0s\""),
            (r#"{"connections":{"requests":0}}"#, "connections.requests: found 0"),
        ] {
            let found = diagnostics(availability);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("providers.p.availability.{expected}")), "{}", found[0]);
        }
    }
}
