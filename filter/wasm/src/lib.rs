//! The Sluice filter as a wasm module.
//!
//! The same module has several roles, selected by its configuration: `gateway` among the listener's HTTP filters, `provider` among every
//! provider cluster's upstream filters, `admin` on the administrator's listener, and, where counts are exchanged with Redis, `background`
//! as a service on Envoy's main thread. All must share the `vm_id` and the code, as `sluice render` writes them: the first two run in one
//! VM, where they share the request state, and all use the same shared data. The crate `sluice-shell` contains the roles; this crate
//! contains only the wasm parts: contexts, VMs, ticks.
#![deny(unsafe_code)]

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context as Callbacks, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use sluice_admin::Service;
use sluice_admin::plugin::Plugin;
use sluice_background::BackgroundTask;
use sluice_config::plugin::Reload;
use sluice_core::callout::{Call, Called};
use sluice_core::compiled::CompiledConfig;
use sluice_core::metrics::{self, Recorder};
use sluice_core::pipeline::outgoing::Outgoing;
use sluice_core::pipeline::redis_cache::SECRET;
use sluice_core::pipeline::worker::Worker;
use sluice_core::pipeline::{Effect, metric};
use sluice_shell::{Failed, FilterStatus, admin, gateway, idle_timeout, message, provider};
use sluice_wire::calendar;
use sluice_wire::time::Time;

mod host;
mod logger;
mod succession;
mod waiting;

use host::Context;

#[allow(unsafe_code)]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|id| Box::new(super::Root::new(id)));
    }}
}

/// How long a configuration that Envoy has dropped may still send settlements, if no other one does.
const LONGEST_ENDING: Duration = Duration::from_secs(10);

/// One plugin of a worker: creates a context for every request.
struct Root {
    id: u32,
    role: Role,
    /// The token of its own call to Redis, while that is in flight.
    settling: Cell<Option<u32>>,
    /// The tokens of the calls of its [`Worker::outgoing`], while they are in flight.
    outgoing: [Cell<Option<u32>>; 2],
    /// Since when Envoy, which has dropped it, waits for it to finish.
    ending: Cell<Option<Time>>,
}

enum Role {
    None,
    Gateway(Rc<Worker>),
    Provider,
    Admin(Rc<Service>),
    Background(Background),
}

/// The background role's tasks, each with the time of its next tick and its call in flight.
struct Background {
    tasks: Vec<Task>,
    /// The new metrics of their calls.
    recorder: Recorder,
}

struct Task {
    task: Box<dyn BackgroundTask>,
    due: Cell<Time>,
    call: Cell<Option<u32>>,
}

impl Root {
    fn new(id: u32) -> Self {
        Self { id, role: Role::None, settling: Cell::default(), outgoing: Default::default(), ending: Cell::default() }
    }

    fn role(&self, plugin: Plugin) -> Result<Role, Failed> {
        match plugin {
            Plugin::Gateway { gateway, reload } => {
                reload.iter().try_for_each(reloaded)?;
                self.gateway(gateway)
            }
            Plugin::Provider => Ok(Role::Provider),
            Plugin::Background(background) => Self::background(&background),
            Plugin::Admin(service) => Ok(Role::Admin(service)),
        }
    }

    fn gateway(&self, gateway: Rc<CompiledConfig>) -> Result<Role, Failed> {
        let period = idle_timeout::period(&gateway);
        let worker = Rc::new(match succession::predecessor() {
            Some(before) => before.succeeded_by(gateway),
            None => {
                let mut seed = [0; 16];
                host::random(&mut seed)?;
                let worker = Worker::new(gateway, seed);
                if let Some(secret) = host::environment(SECRET) {
                    worker.redis_cache().set_secret(&secret);
                }
                worker
            }
        });
        succession::begins(self.id, worker.clone(), period)?;
        Ok(Role::Gateway(worker))
    }

    fn background(background: &metrics::Background) -> Result<Role, Failed> {
        let mut seed = [0; 16];
        host::random(&mut seed)?;
        let task = |task: Box<dyn BackgroundTask>| Task { task, due: Cell::default(), call: Cell::default() };
        let secret = host::environment(SECRET);
        let tasks = sluice_background::tasks(background, seed, secret.as_deref(), Rc::default());
        let tasks: Vec<Task> = tasks.into_iter().map(task).collect();
        if let Some(period) = tasks.iter().map(|task| task.task.period()).min() {
            host::tick_every(period)?;
        }
        Ok(Role::Background(Background { tasks, recorder: Recorder::new("main".to_owned()) }))
    }

    /// Applies effects that concern no message, and sends a call to Redis.
    fn send(&self, mut call: Option<Call>, mut effects: Vec<Effect>) {
        self.settling.set(None);
        while let Some(next) = call.take() {
            if let Ok(token) = host::call(&next) {
                self.settling.set(Some(token));
                break;
            }
            call = self.on_reply(&Called { status: None, body: Vec::new() }, &mut effects);
        }
        message::apply_effects(Context(self.id), effects);
    }

    /// Sends a call that no request waits for, and remembers its token.
    fn send_outgoing(
        &self,
        queue: &dyn Outgoing,
        token: &Cell<Option<u32>>,
        mut call: Option<Call>,
        mut effects: Vec<Effect>,
    ) {
        token.set(None);
        while let Some(next) = call.take() {
            if let Ok(sent) = host::call(&next) {
                token.set(Some(sent));
                break;
            }
            let silent = Called { status: None, body: Vec::new() };
            call = queue.on_reply(&silent, Time(host::now()), &mut effects);
        }
        message::apply_effects(Context(self.id), effects);
    }

    /// The calls in flight end with this context, so no reply will arrive.
    fn forget_outgoing(&self) {
        let Role::Gateway(worker) = &self.role else { return };
        for (token, queue) in self.outgoing.iter().zip(worker.outgoing()) {
            if token.take().is_some() {
                queue.forget_call();
            }
        }
    }

    /// Tells Envoy that it is done, if Envoy waits for that.
    fn may_end(&self) {
        let Some(since) = self.ending.get() else { return };
        let patient = Time(host::now()).since(since) < LONGEST_ENDING;
        if succession::ends(self.id, patient) {
            self.ending.set(None);
            self.forget_outgoing();
            let _ = host::done();
        }
    }

    /// Handles the reply to such a call.
    fn on_reply(&self, called: &Called, effects: &mut Vec<Effect>) -> Option<Call> {
        let now = Time(host::now());
        match &self.role {
            Role::Gateway(worker) => worker.on_reply(called, now, effects),
            Role::None | Role::Provider | Role::Admin(_) | Role::Background(_) => None,
        }
    }
}

impl Background {
    /// Starts the tasks that are due.
    fn tick(&self, root: u32, now: Time) {
        for task in self.tasks.iter().filter(|task| task.due.get() <= now && task.call.get().is_none()) {
            task.due.set(now.after(task.task.period()));
            let mut effects = Vec::new();
            let call = task.task.tick(now, &host::Shared, &mut effects);
            task.send(call, now, &mut effects);
            self.apply(root, effects);
        }
        self.recorder.tick(0, &host::Shared, now);
    }

    fn apply(&self, root: u32, effects: Vec<Effect>) {
        for effect in &effects {
            if let Effect::Count(name) = effect {
                metric::count(name, &self.recorder);
            }
        }
        message::apply_effects(Context(root), effects);
    }

    fn on_reply(&self, root: u32, token: u32, called: &Called) {
        let now = Time(host::now());
        for task in self.tasks.iter().filter(|task| task.call.get() == Some(token)) {
            task.call.set(None);
            let mut effects = Vec::new();
            let call = task.task.on_reply(called, now, &host::Shared, &mut effects);
            task.send(call, now, &mut effects);
            self.apply(root, effects);
        }
    }
}

impl Task {
    /// Sends a call. If Envoy rejects it, that counts as no reply.
    fn send(&self, mut call: Option<Call>, now: Time, effects: &mut Vec<Effect>) {
        while let Some(next) = call.take() {
            match host::call(&next) {
                Ok(token) => self.call.set(Some(token)),
                Err(Failed) => {
                    let nothing = Called { status: None, body: Vec::new() };
                    call = self.task.on_reply(&nothing, now, &host::Shared, effects);
                }
            }
        }
    }
}

/// Sets the metrics about the active gateway file. All workers set the same values.
fn reloaded(reload: &Reload) -> Result<(), Failed> {
    host::set_gauge(metric::RELOAD_SUCCESSFUL, u64::from(reload.refused.is_none()))?;
    let seconds = calendar::rfc3339(&reload.applied_at).unwrap_or_default();
    host::set_gauge(metric::RELOAD_TIME, seconds)
}

impl Callbacks for Root {
    fn on_http_call_response(&mut self, token: u32, _headers: usize, body: usize, _trailers: usize) {
        if let Role::Background(background) = &self.role {
            return background.on_reply(self.id, token, &host::called(body));
        }
        let mut effects = Vec::new();
        if let Role::Gateway(worker) = &self.role {
            let of = self.outgoing.iter().zip(worker.outgoing()).find(|(sent, _)| sent.get() == Some(token));
            if let Some((sent, queue)) = of {
                let next = queue.on_reply(&host::called(body), Time(host::now()), &mut effects);
                return self.send_outgoing(&*queue, sent, next, effects);
            }
        }
        let call = self.on_reply(&host::called(body), &mut effects);
        self.send(call, effects);
        self.may_end();
    }

    fn on_done(&mut self) -> bool {
        let Role::Gateway(worker) = &self.role else { return true };
        let done = succession::ends(self.id, true);
        // The calls in flight end with this context, so no reply will arrive.
        if done && self.settling.take().is_some() {
            worker.forget_call();
        }
        if done {
            self.forget_outgoing();
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
                Err(Failed) => {
                    log::error!(
                        "Envoy rejected the timer, the random bytes or the metrics that the filter needs. Use a newer \
                         Envoy"
                    );
                    return false;
                }
            },
            Err(diagnostics) => {
                for diagnostic in diagnostics {
                    log::error!("configuration rejected: {diagnostic}");
                }
                return false;
            }
        }
        true
    }

    fn on_tick(&mut self) {
        logger::follow();
        let now = Time(host::now());
        if let Role::Background(background) = &self.role {
            return background.tick(self.id, now);
        }
        let shuts_down = matches!(&self.role, Role::Gateway(worker) if worker.config.shuts_down);
        idle_timeout::end_all::<Context>(now, shuts_down, |end| end());
        waiting::wake_all();
        let _ = host::enter(self.id);
        if let Role::Gateway(worker) = &self.role {
            worker.recorder().tick(worker.backlog(), &host::Shared, now);
            if let Some(call) = worker.tick(now) {
                self.send(Some(call), Vec::new());
            }
            for (token, queue) in self.outgoing.iter().zip(worker.outgoing()) {
                if let Some(call) = queue.flush(now) {
                    self.send_outgoing(&*queue, token, Some(call), Vec::new());
                }
            }
            self.may_end();
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let stream = Context(id);
        let role = match &self.role {
            Role::None | Role::Background(_) => return None,
            Role::Gateway(worker) => {
                succession::serves(self.id, id);
                let worker = worker.clone();
                sluice_shell::role(stream, "gateway", move || Box::new(gateway::Gateway::new(stream, worker.clone())))
            }
            Role::Provider => sluice_shell::role(stream, "provider", move || Box::new(provider::Provider::new(stream))),
            Role::Admin(service) => {
                let service = service.clone();
                sluice_shell::role(stream, "admin", move || Box::new(admin::Admin::new(stream, service.clone())))
            }
        };
        Some(Box::new(Http(Rc::new(RefCell::new(role)))))
    }
}

/// The SDK's context of a filter of one request.
struct Http(Rc<RefCell<Box<dyn sluice_shell::Role>>>);

impl Http {
    /// The role. Callbacks do not nest, so it is never borrowed twice.
    fn role(&self) -> RefMut<'_, Box<dyn sluice_shell::Role>> {
        self.0.borrow_mut()
    }

    /// Runs a callback of the request, which may wait afterwards.
    fn request(&self, act: impl FnOnce(&mut dyn sluice_shell::Role) -> FilterStatus) -> Action {
        let mut role = self.role();
        let status = act(&mut **role);
        if role.waits() {
            waiting::add(&self.0);
        }
        action(status)
    }
}

fn action(status: FilterStatus) -> Action {
    match status {
        FilterStatus::Moves => Action::Continue,
        FilterStatus::Waits | FilterStatus::Answered => Action::Pause,
    }
}

impl Callbacks for Http {
    fn on_http_call_response(&mut self, token: u32, _headers: usize, body: usize, _trailers: usize) {
        self.request(|role| {
            role.called(u64::from(token), &host::called(body));
            FilterStatus::Moves
        });
    }

    fn on_done(&mut self) -> bool {
        self.role().done();
        true
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        self.request(|role| role.request_headers(end))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.request(|role| role.request_body(size, end))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.request(|role| role.request_trailers())
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        action(self.role().response_headers(end))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        action(self.role().response_body(size, end))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        action(self.role().response_trailers())
    }

    fn on_log(&mut self) {
        self.role().log();
    }
}
