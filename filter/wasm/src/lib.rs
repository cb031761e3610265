//! The Sluice filter: turns Envoy's callbacks into events of `sluice-core`, and its effects into host calls.
//!
//! One module in several places, told apart by its configuration: `gateway` among the listener's HTTP filters, `provider`
//! among every provider cluster's upstream filters, `admin` on the administrator's listener, and, where counts are
//! exchanged with Redis, `keeper` as a service on Envoy's main thread. All must share the `vm_id` and the code, as they do
//! in what `sluice render` writes: the first two have one VM, where what they know together of a request is in
//! [`switchboard`], and all read and write the same shared data. Nothing is decided here.
#![deny(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context as Callbacks, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use sluice_admin::Service;
use sluice_admin::plugin::Plugin;
use sluice_config::plugin::Reload;
use sluice_core::callout::{Call, Called};
use sluice_core::exchange::attempt::give_up;
use sluice_core::exchange::journey::Silence;
use sluice_core::exchange::keeper::Keeper;
use sluice_core::exchange::trace;
use sluice_core::exchange::worker::Worker;
use sluice_core::exchange::{Context, Effect, Flow, metric};
use sluice_core::gateway::Gateway;
use sluice_core::store::redis::settings::Redis;
use sluice_wire::calendar;
use sluice_wire::time::Time;

mod admin;
mod gateway;
mod host;
mod logger;
mod message;
mod provider;
mod succession;
mod switchboard;
#[cfg(feature = "trap")]
mod trap;

use message::RESPONSE;
use switchboard::Silent;

#[allow(unsafe_code)]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|id| Box::new(super::Root::new(id)));
    }}
}

/// How often streams are asked whether they have fallen silent: a quarter of the limit, within these bounds.
const SHORTEST_TICK: Duration = Duration::from_millis(25);
const LONGEST_TICK: Duration = Duration::from_millis(250);
/// With Redis: how long a request that is over waits at most before Redis is told.
const SETTLING: Duration = Duration::from_millis(25);
/// How long a configuration that Envoy has given up goes on telling Redis at most, where no other one does it.
const LONGEST_ENDING: Duration = Duration::from_secs(10);

/// One plugin of a worker: makes a context for every request.
struct Root {
    id: u32,
    role: Role,
    /// A call of its own is under way.
    calling: Cell<bool>,
    /// Since when Envoy, which has given it up, waits until it is done.
    ending: Cell<Option<Time>>,
}

enum Role {
    None,
    Gateway(Rc<Worker>),
    Provider,
    Admin(Rc<Service>),
    Keeper(Box<Keeper>),
}

impl Root {
    fn new(id: u32) -> Self {
        Self { id, role: Role::None, calling: Cell::new(false), ending: Cell::new(None) }
    }

    fn role(&self, plugin: Plugin) -> Result<Role, host::Failed> {
        match plugin {
            Plugin::Gateway { gateway, reload } => {
                reload.iter().try_for_each(reloaded)?;
                self.gateway(gateway)
            }
            Plugin::Provider => Ok(Role::Provider),
            Plugin::Keeper(redis) => Self::keeper(redis),
            Plugin::Admin(service) => Ok(Role::Admin(service)),
        }
    }

    fn gateway(&self, gateway: Rc<Gateway>) -> Result<Role, host::Failed> {
        let period = match &gateway.redis {
            None => (gateway.shortest_silence() / 4).clamp(SHORTEST_TICK, LONGEST_TICK),
            Some(_) => SETTLING,
        };
        let worker = Rc::new(match succession::predecessor() {
            Some(before) => before.succeeded_by(gateway),
            None => {
                let mut seed = [0; 16];
                host::random(&mut seed)?;
                Worker::new(gateway, seed)
            }
        });
        succession::begins(self.id, worker.clone(), period)?;
        Ok(Role::Gateway(worker))
    }

    fn keeper(redis: Redis) -> Result<Role, host::Failed> {
        let mut seed = [0; 16];
        host::random(&mut seed)?;
        let Some(keeper) = Keeper::new(redis, seed) else { return Ok(Role::None) };
        host::tick_every(keeper.period())?;
        Ok(Role::Keeper(Box::new(keeper)))
    }

    /// Ends a stream that fell silent, or that its provider does not end: what the client reads is cut, what is held gives way to
    /// the next attempt. One that another stream's end has taken along has no context any more, and one that Envoy is ending at this
    /// very moment has no answer: neither has to be ended.
    fn end(&self, silent: Silent) -> Result<(), host::Failed> {
        let gone = |context: Option<u32>| context.is_none_or(|context| host::enter(context).is_err());
        let failure = match silent.silence {
            Silence::Held(failure) => failure,
            _ if gone(Some(silent.request)) => return Ok(()),
            Silence::Over => return host::cut(silent.request, self.id),
            Silence::Uncounted => {
                let over = gone(silent.attempt) || !RESPONSE.is_here();
                return if over { host::enter(self.id) } else { RESPONSE.release(self.id, Flow::Continue, Vec::new()) };
            }
            Silence::Shown => {
                if let Some(told) = trace::failure(&*silent.journey.try_borrow().map_err(|_| host::Failed)?) {
                    host::enter(silent.request)?;
                    message::tell(vec![told]);
                }
                return host::cut(silent.request, self.id);
            }
        };
        // Envoy may have ended the attempt by its own limit: then it has begun the next one, or will.
        if gone(silent.attempt) || !RESPONSE.is_here() {
            return host::enter(self.id);
        }
        let (mut flow, mut effects) = (Flow::Pause, Vec::new());
        if let Ok(mut journey) = silent.journey.try_borrow_mut() {
            let cx = &mut Context::new(&RESPONSE, &host::Shared, &mut effects);
            flow = give_up(failure, &mut journey, cx);
        }
        RESPONSE.release(self.id, flow, effects)
    }

    /// Carries out what concerns no message, and sends what is to be told to Redis.
    fn tell(&self, mut call: Option<Call>, mut effects: Vec<Effect>) {
        self.calling.set(false);
        while let Some(told) = call.take() {
            if host::call(&told).is_ok() {
                self.calling.set(true);
                break;
            }
            call = self.told(&Called { status: None, body: Vec::new() }, &mut effects);
        }
        message::tell(effects);
    }

    /// Tells Envoy that it is done, when that was waited for.
    fn may_end(&self) {
        let Some(since) = self.ending.get() else { return };
        let patient = Time(host::now()).since(since) < LONGEST_ENDING;
        if succession::ends(self.id, patient) {
            self.ending.set(None);
            let _ = host::done();
        }
    }

    /// What came back of such a call.
    fn told(&self, called: &Called, effects: &mut Vec<Effect>) -> Option<Call> {
        let now = Time(host::now());
        match &self.role {
            Role::Gateway(worker) => worker.told(called, now, effects),
            Role::Keeper(keeper) => keeper.told(called, now, &host::Shared, effects),
            Role::None | Role::Provider | Role::Admin(_) => None,
        }
    }
}

/// Lets the metrics tell which gateway file is in force. All workers say the same.
fn reloaded(reload: &Reload) -> Result<(), host::Failed> {
    host::set_gauge(metric::RELOAD_SUCCESSFUL, u64::from(reload.refused.is_none()))?;
    let seconds = calendar::rfc3339(&reload.applied_at).unwrap_or_default();
    host::set_gauge(metric::RELOAD_TIME, seconds)
}

impl Callbacks for Root {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, body: usize, _trailers: usize) {
        let mut effects = Vec::new();
        let call = self.told(&host::called(body), &mut effects);
        self.tell(call, effects);
        self.may_end();
    }

    fn on_done(&mut self) -> bool {
        let Role::Gateway(worker) = &self.role else { return true };
        let done = succession::ends(self.id, true);
        // The call that is under way ends with this context, and its answer never comes.
        if done && self.calling.take() {
            worker.forget_call();
        }
        self.ending.set((!done).then(|| Time(host::now())));
        done
    }
}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn on_configure(&mut self, _size: usize) -> bool {
        logger::install();
        match Plugin::from_json(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(plugin) => match self.role(plugin) {
                Ok(role) => self.role = role,
                Err(host::Failed) => {
                    log::error!("Envoy gives neither ticks nor randomness: it is too old, or not Envoy");
                    return false;
                }
            },
            Err(mistakes) => {
                for mistake in mistakes {
                    log::error!("configuration refused: {mistake}");
                }
                return false;
            }
        }
        true
    }

    fn on_tick(&mut self) {
        logger::follow();
        let now = Time(host::now());
        if let Role::Keeper(keeper) = &self.role {
            let mut effects = Vec::new();
            let call = keeper.tick(now, &host::Shared, &mut effects);
            return self.tell(call, effects);
        }
        for silent in switchboard::silent(now) {
            if self.end(silent).is_err() {
                log::error!("Envoy refused: ending a stream");
            }
        }
        if let Role::Gateway(worker) = &self.role {
            if let Some(call) = worker.tick(now) {
                self.tell(Some(call), Vec::new());
            }
            self.may_end();
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        match &self.role {
            Role::None | Role::Keeper(_) => None,
            Role::Gateway(worker) => {
                succession::serves(self.id, id);
                let worker = worker.clone();
                Some(context("gateway", move || Box::new(gateway::GatewayContext::new(id, worker.clone()))))
            }
            Role::Provider => Some(context("provider", move || Box::new(provider::ProviderContext::new(id)))),
            Role::Admin(service) => {
                let service = service.clone();
                Some(context("admin", move || Box::new(admin::AdminContext::new(service.clone()))))
            }
        }
    }
}

#[cfg(not(feature = "trap"))]
fn context(_role: &str, make: impl Fn() -> Box<dyn HttpContext>) -> Box<dyn HttpContext> {
    make()
}

#[cfg(feature = "trap")]
fn context(role: &'static str, make: impl Fn() -> Box<dyn HttpContext> + 'static) -> Box<dyn HttpContext> {
    Box::new(trap::Probe::new(role, make))
}
