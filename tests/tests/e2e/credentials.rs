//! Providers' credentials beyond a key that never changes: what reaches the provider, and what keeps a gateway going when they
//! change, expire or cannot be had.

mod aws;
mod entra;
mod google;
mod rotation;

use sluice_tests::simulator::Simulator;

/// The credential that the provider was shown last.
fn shown(provider: &Simulator) -> Option<String> {
    provider.requests().last()?.header("authorization").map(str::to_owned)
}
