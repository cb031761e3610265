//! Detects from Envoy's statistics whether it has loaded a file.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::watches;
use crate::envoy_admin;
use crate::render::discovery::{ADMIN_FILTER, CLUSTERS, GATEWAY_FILTER, LISTENERS, ROUTES};

/// How long Envoy may need to load a file: a new cluster waits for its first DNS response.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);

/// Observes whether Envoy has loaded a file.
pub trait Taken {
    /// Waits until this version of the file is in use, or returns why it is not.
    fn wait(&self, file: &str, version: &str) -> Result<(), String>;

    /// Whether no request is in flight.
    fn is_idle(&self) -> bool;

    /// The number of files that Envoy can still watch, if known.
    fn watches_left(&self) -> Option<usize> {
        watches::left()
    }
}

/// A running Envoy, observed through its administration interface.
pub struct Running<'s> {
    admin: SocketAddr,
    /// Whether to stop waiting.
    stop: &'s dyn Fn() -> bool,
    /// Envoy's count of rejected files at the start.
    refused: u64,
}

/// The statistics prefix of a file's subscription, and the gauge of its resources that are still warming; `None` for a file that Envoy does
/// not read.
fn statistics(file: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match file {
        CLUSTERS => ("cluster_manager.cds", Some("cluster_manager.warming_clusters")),
        ROUTES => ("http.sluice.rds.sluice", None),
        LISTENERS => ("listener_manager.lds", Some("listener_manager.total_listeners_warming")),
        ADMIN_FILTER => ("extension_config_discovery.http_filter.sluice-admin", None),
        GATEWAY_FILTER => ("extension_config_discovery.http_filter.sluice", None),
        _ => return None,
    })
}

/// The counters of rejected files.
const REFUSED: &str = ".*\\.(update_rejected|config_fail)";

impl<'s> Running<'s> {
    /// Starts to observe an Envoy before files are written.
    pub fn of(admin: SocketAddr, stop: &'s dyn Fn() -> bool) -> Result<Self, String> {
        let asked = Instant::now();
        loop {
            match ask(admin, REFUSED) {
                Ok(text) => return Ok(Self { admin, stop, refused: sum_of_refused(&text) }),
                // Envoy is not running.
                Err(problem @ ureq::Error::Io(_)) => return Err(silent(&problem)),
                Err(problem) if asked.elapsed() > PATIENCE || stop() => return Err(silent(&problem)),
                Err(_) => thread::sleep(LOOK),
            }
        }
    }
}

fn sum_of_refused(text: &str) -> u64 {
    let counters = text.lines().filter_map(|line| line.rsplit_once(": "));
    let refused = counters.filter(|(name, _)| name.ends_with(".update_rejected") || name.ends_with(".config_fail"));
    refused.filter_map(|(_, number)| number.parse::<u64>().ok()).sum()
}

/// Fetches the statistics whose full names match.
fn ask(admin: SocketAddr, names: &str) -> Result<String, ureq::Error> {
    envoy_admin::ask(admin, "GET", &format!("/stats?filter=^({names})$"))
}

fn silent(error: &ureq::Error) -> String {
    format!("its admin interface does not answer: {error}")
}

impl Taken for Running<'_> {
    fn is_idle(&self) -> bool {
        ask(self.admin, "http\\.sluice\\.downstream_rq_active").is_ok_and(|text| text.trim().ends_with(": 0"))
    }

    fn wait(&self, file: &str, version: &str) -> Result<(), String> {
        let Some((subscription, warming)) = statistics(file) else { return Ok(()) };
        let names = format!("{subscription}.version_text|{}|{REFUSED}", warming.unwrap_or_default());
        let taken = format!("{subscription}.version_text: \"{version}\"");
        let asked = Instant::now();
        loop {
            // Envoy responds late while it loads a file.
            let answer = ask(self.admin, &names);
            let text = answer.as_deref().unwrap_or_default();
            match &answer {
                // Envoy has exited.
                Err(problem @ ureq::Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Err(silent(problem));
                }
                // No listener uses it yet: the next one that does waits for it.
                Ok(text) if file == ADMIN_FILTER && !text.contains(&format!("{subscription}.version_text: ")) => {
                    return Ok(());
                }
                _ => {}
            }
            if sum_of_refused(text) > self.refused {
                return Err(format!("it rejected {file}; see Envoy's log"));
            }
            let warm = warming.is_none_or(|name| text.lines().any(|line| line == format!("{name}: 0")));
            if warm && text.lines().any(|line| line == taken) {
                return Ok(());
            }
            if (self.stop)() {
                return Err("the gateway is shutting down".to_owned());
            }
            if asked.elapsed() > PATIENCE {
                let problem = answer.err().map(|error| format!(": {}", silent(&error))).unwrap_or_default();
                return Err(format!("{file} is not active after {} s{problem}", PATIENCE.as_secs()));
            }
            thread::sleep(LOOK);
        }
    }
}
