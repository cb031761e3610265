//! The client of the local Envoy's administration interface.

use std::net::SocketAddr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);

/// Returns the body of a successful response.
pub fn ask(admin: SocketAddr, method: &str, path: &str) -> Result<String, ureq::Error> {
    // No proxy between this process and its child.
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build().new_agent();
    let url = format!("http://{admin}{path}");
    let mut answer = if method == "POST" { agent.post(&url).send_empty()? } else { agent.get(&url).call()? };
    answer.body_mut().read_to_string()
}
