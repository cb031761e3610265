//! A configuration in one worker. The worker compiles it for its first stream under that configuration.
//!
//! Envoy chooses the configuration of each new request, and may return to an older one. All configurations of a gateway share the worker's
//! memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use sluice_admin::Service;
use sluice_admin::plugin::Plugin;
use sluice_core::metrics::Recorder;
use sluice_core::pipeline::redis_cache::SECRET;
use sluice_core::pipeline::worker::Worker;
use sluice_shell::Role;
use sluice_shell::admin::Admin;
use sluice_shell::gateway::Gateway;
use sluice_shell::provider::Provider;

use crate::config::{Config, random};
use crate::domain::Domain;
use crate::filters::Handle;
use crate::ticks;

/// A configuration in this worker.
pub struct Root {
    /// The configuration itself.
    pub config: Arc<Config>,
    kind: Kind,
}

enum Kind {
    Gateway(Rc<Worker>),
    Provider,
    Admin(Rc<Service>),
}

#[derive(Default)]
struct Roots {
    /// By configuration number.
    all: BTreeMap<u64, Rc<Root>>,
    /// For each gateway, the worker that served last. It retains the memory when no configuration is left.
    in_charge: Vec<(&'static Domain, Rc<Worker>)>,
}

/// The new metrics of this worker.
pub fn recorder(domain: &'static Domain) -> Option<Arc<Recorder>> {
    ROOTS.with_borrow(|roots| Some(roots.worker(domain)?.recorder().clone()))
}

thread_local! {
    static ROOTS: RefCell<Roots> = RefCell::default();
}

impl Root {
    /// Finds or compiles a configuration. `None` if it does not compile, although it did on the main thread.
    pub fn of(config: &Arc<Config>) -> Option<Rc<Self>> {
        ROOTS.with_borrow_mut(|roots| {
            let root = match roots.all.get(&config.number) {
                Some(root) => root.clone(),
                None => {
                    let root = Rc::new(roots.compile(config.clone())?);
                    roots.all.retain(|_, root| root.config.is_in_use());
                    roots.all.insert(config.number, root.clone());
                    root
                }
            };
            if let Kind::Gateway(worker) = &root.kind {
                roots.take_charge(config, worker);
            }
            Some(root)
        })
    }

    /// Whether its filters have counters.
    pub fn counts(&self) -> bool {
        !matches!(self.kind, Kind::Provider)
    }

    /// Creates the role of a stream under this configuration.
    pub fn role(&self, stream: Handle) -> Box<dyn Role> {
        match &self.kind {
            Kind::Gateway(worker) => {
                let worker = worker.clone();
                sluice_shell::role(stream, "gateway", move || Box::new(Gateway::new(stream, worker.clone())))
            }
            Kind::Provider => sluice_shell::role(stream, "provider", move || Box::new(Provider::new(stream))),
            Kind::Admin(service) => {
                let service = service.clone();
                sluice_shell::role(stream, "admin", move || Box::new(Admin::new(stream, service.clone())))
            }
        }
    }
}

impl Roots {
    fn compile(&self, config: Arc<Config>) -> Option<Root> {
        let plugin = Plugin::from_json(&config.json);
        let kind = match plugin {
            Ok(Plugin::Gateway { gateway, .. }) => {
                let worker = match self.worker(config.domain) {
                    Some(before) => before.succeeded_by(gateway),
                    None => {
                        let worker = Worker::new(gateway, random().ok()?);
                        if let Some(secret) = std::env::var_os(SECRET) {
                            worker.redis_cache().set_secret(secret.as_encoded_bytes());
                        }
                        config.domain.enrols(&worker);
                        worker
                    }
                };
                Kind::Gateway(Rc::new(worker.sharing(config.domain.outbox.clone())))
            }
            Ok(Plugin::Provider) => Kind::Provider,
            Ok(Plugin::Admin(service)) => Kind::Admin(service),
            Ok(Plugin::Background(_)) | Err(_) => {
                log::error!("the filter cannot compile a configuration that it accepted before");
                return None;
            }
        };
        Some(Root { config, kind })
    }

    fn worker(&self, domain: &'static Domain) -> Option<&Rc<Worker>> {
        self.in_charge.iter().find(|(of, _)| std::ptr::eq(*of, domain)).map(|(_, worker)| worker)
    }

    /// Makes this configuration the one for the gateway's new requests.
    fn take_charge(&mut self, config: &Config, worker: &Rc<Worker>) {
        let domain = config.domain;
        if self.worker(domain).is_some_and(|before| Rc::ptr_eq(before, worker)) {
            return;
        }
        self.in_charge.retain(|(of, _)| !std::ptr::eq(*of, domain));
        self.in_charge.push((domain, worker.clone()));
        worker.takes_charge(domain.shared());
        // The main thread has the gauges.
        worker.recorder().configure(worker.config.metrics.series, None);
        if let Some(period) = config.period {
            ticks::every(period);
        }
    }
}
