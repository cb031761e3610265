//! Providers' credentials besides static keys: the credential that the provider receives, and the gateway's behavior when credentials
//! change, expire or are unavailable.

mod aws;
mod entra;
mod google;
mod rotation;

use sluice_tests::simulator::Simulator;

/// The latest credential that the provider received.
fn shown(provider: &Simulator) -> Option<String> {
    provider.requests().last()?.header("authorization").map(str::to_owned)
}
