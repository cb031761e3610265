//! A gateway with one provider, for tests about keys.

use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::shared::{self, Fixture};
use sluice_tests::simulator::Simulator;

/// A gateway with one provider, `openai`, for tests with their own keys.
pub struct Single {
    pub gateway: Gateway,
    pub provider: Simulator,
}

impl Single {
    /// A gateway with settings.
    pub async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let provider = Simulator::start().await;
        let builder = Gateway::builder().provider("openai", Kind::OpenAi, &provider);
        Self { gateway: settings(builder).start().await, provider }
    }
}

impl Fixture for Single {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.provider]).await;
        true
    }
}
