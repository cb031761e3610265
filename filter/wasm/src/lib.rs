//! The Sluice filter: turns Envoy's callbacks into events of `sluice-core`, and its effects into host calls.
//!
//! One module in several places, told apart by its configuration: `gateway` among the listener's HTTP filters, `provider`
//! among every provider cluster's upstream filters, `admin` on the administrator's listener. All must share one VM (the
//! same `vm_id` and code), as they do in what `sluice render` writes: what the first two know together of a request is in
//! [`switchboard`], and what is counted is in the data that VMs of one id share. Nothing is decided here.
#![deny(unsafe_code)]

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};
use sluice_core::admin::Service;
use sluice_core::config::Gateway;
use sluice_core::config::plugin::Plugin;
use sluice_core::exchange::worker::Worker;
use sluice_core::exchange::{Call, Called, Effect, Flow, Time};

mod admin;
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
/// With Redis: how long a request that is over waits at most before Redis is told.
const SETTLING: Duration = Duration::from_millis(25);

/// One plugin of a worker: makes a context for every request.
struct Root {
    id: u32,
    role: Role,
}

enum Role {
    None,
    Gateway(Rc<Worker>),
    Provider,
    Admin(Rc<Service>),
}

impl Root {
    fn gateway(gateway: Rc<Gateway>) -> Result<Role, host::Failed> {
        let period = match &gateway.redis {
            None => (gateway.timeouts.idle / 4).clamp(SHORTEST_TICK, LONGEST_TICK),
            Some(_) => SETTLING,
        };
        host::tick_every(period)?;
        let mut seed = [0; 16];
        host::random(&mut seed)?;
        Ok(Role::Gateway(Rc::new(Worker::new(gateway, seed))))
    }

    /// Carries out what concerns no message, and sends what is to be told to Redis.
    fn tell(&self, mut call: Option<Call>, mut effects: Vec<Effect>) {
        let Role::Gateway(worker) = &self.role else { return };
        while let Some(told) = call.take() {
            if host::call(&told).is_ok() {
                break;
            }
            let nothing = Called { status: None, body: Vec::new() };
            call = worker.told(&nothing, Time(host::now()), &mut effects);
        }
        message::RESPONSE.apply(Flow::Continue, effects);
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, body: usize, _trailers: usize) {
        let Role::Gateway(worker) = &self.role else { return };
        let mut effects = Vec::new();
        let call = worker.told(&host::called(body), Time(host::now()), &mut effects);
        self.tell(call, effects);
    }
}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn on_configure(&mut self, _size: usize) -> bool {
        match Plugin::from_json(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(Plugin::Gateway(gateway)) => match Self::gateway(gateway) {
                Ok(role) => self.role = role,
                Err(host::Failed) => {
                    host::log(
                        LogLevel::Error,
                        "sluice: Envoy gives neither ticks nor randomness: it is too old, or not Envoy",
                    );
                    return false;
                }
            },
            Ok(Plugin::Provider) => self.role = Role::Provider,
            Ok(Plugin::Admin(service)) => self.role = Role::Admin(service),
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
        if let Role::Gateway(worker) = &self.role {
            let call = worker.tick(Time(host::now()));
            self.tell(call, Vec::new());
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        match &self.role {
            Role::None => None,
            Role::Gateway(worker) => Some(Box::new(gateway::GatewayContext::new(id, worker.clone()))),
            Role::Provider => Some(Box::new(provider::ProviderContext::default())),
            Role::Admin(service) => Some(Box::new(admin::AdminContext::new(service.clone()))),
        }
    }
}
