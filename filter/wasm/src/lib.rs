//! The Sluice filter: turns Envoy's callbacks into events of `sluice-core`, and its effects into host calls.
//!
//! One module in two places, told apart by its configuration: `gateway` among the listener's HTTP filters, `provider`
//! among every provider cluster's upstream filters. Both must share one VM (the same `vm_id` and code), as they do in what
//! `sluice render` writes: what they know together of a request is in [`switchboard`]. Nothing is decided here.
#![deny(unsafe_code)]

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};
use sluice_core::config::Gateway;
use sluice_core::config::plugin::Plugin;
use sluice_core::exchange::Time;

mod gateway;
mod host;
mod message;
mod provider;
mod switchboard;
#[cfg(feature = "trap")]
mod trap;

#[allow(unsafe_code)]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|id| Box::new(super::Root { id, role: super::Role::None }));
    }}
}

/// How often streams are asked whether they have fallen silent: a quarter of the limit, within these bounds.
const SHORTEST_TICK: Duration = Duration::from_millis(25);
const LONGEST_TICK: Duration = Duration::from_secs(1);

/// One plugin of a worker: makes a context for every request.
struct Root {
    id: u32,
    role: Role,
}

enum Role {
    None,
    Gateway(Rc<Gateway>),
    Provider,
}

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn on_configure(&mut self, _size: usize) -> bool {
        match Plugin::from_json(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(Plugin::Gateway(gateway)) => {
                if host::tick_every((gateway.timeouts.idle / 4).clamp(SHORTEST_TICK, LONGEST_TICK)).is_err() {
                    host::log(LogLevel::Error, "sluice: no ticks: streams that fall silent end at the total timeout");
                }
                self.role = Role::Gateway(Rc::from(gateway));
            }
            Ok(Plugin::Provider) => self.role = Role::Provider,
            Ok(Plugin::Admin(_)) => {
                host::log(LogLevel::Error, "sluice: this module does not answer the administrator yet");
                return false;
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    host::log(LogLevel::Error, &format!("sluice: configuration refused: {mistake}"));
                }
                return false;
            }
        }
        true
    }

    fn on_tick(&mut self) {
        for id in switchboard::stalled(Time(host::now())) {
            if host::cut(id, self.id).is_err() {
                host::log(LogLevel::Error, "sluice: Envoy refused: cutting a stream that fell silent");
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        match &self.role {
            Role::None => None,
            Role::Gateway(gateway) => Some(Box::new(gateway::GatewayContext::new(id, gateway.clone()))),
            Role::Provider => Some(Box::new(provider::ProviderContext::default())),
        }
    }
}
