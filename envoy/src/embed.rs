//! `sluice render` for an Envoy that someone else configures: fragments, and objects for meshes.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use sluice_core::pipeline::redis_cache::SECRET;

use crate::check::Checked;
use crate::cli::Failure;
use crate::locate;
use crate::proxy::Proxy;
use crate::render::embed::fragment::Fragment;
use crate::render::embed::istio::{self, Proxies};
use crate::render::embed::workload::{self, Workload};
use crate::render::embed::{Parts, Place, envoy_gateway, fragment};
use crate::render::{Module, Options, block, bootstrap};

/// The directory in a pod at which the gateway file's relative paths begin.
const BASE: &str = "/etc/sluice";

/// The configuration that `sluice render` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Envoy's bootstrap configuration
    Envoy,
    /// Kubernetes objects for a workload of the gateway's own, in a mesh or without one
    Istio,
    /// An EnvoyFilter for an ingress gateway of Istio
    IstioGateway,
    /// An EnvoyFilter for sidecars of Istio
    IstioSidecar,
    /// An EnvoyPatchPolicy for a Gateway of Envoy Gateway
    EnvoyGateway,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Other Envoys and meshes")]
pub struct Embed {
    /// Write one part, to paste into an Envoy's own configuration
    #[arg(long, value_name = "PART", value_enum, conflicts_with_all = ["target", "out"])]
    fragment: Option<Fragment>,
    /// Write the configuration for this kind of deployment
    #[arg(long, value_name = "TARGET", value_enum, default_value = "envoy")]
    target: Target,
    /// The host that clients call [default: all hosts; istio-sidecar: sluice.NAMESPACE.svc.cluster.local]
    #[arg(long, value_name = "NAME", value_parser = host)]
    host: Option<String>,
    /// Serve below this path of an existing host, such as /llm
    #[arg(long, value_name = "PATH", value_parser = prefix)]
    path_prefix: Option<String>,
    /// The namespace of the objects
    #[arg(long, value_name = "NAME", default_value = "sluice", value_parser = name)]
    namespace: String,
    /// The labels of the proxies' pods, comma-separated [default: istio=ingressgateway for istio-gateway, all pods for istio-sidecar]
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',', value_parser = label)]
    selector: Vec<(String, String)>,
    /// The port that clients call [default: every port for istio-gateway, else 80]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The Gateway that accepts the host; for Istio also as NAMESPACE/NAME, and then with a VirtualService for the host [default: eg for
    /// envoy-gateway]
    #[arg(long, value_name = "NAME", value_parser = reference)]
    gateway: Option<String>,
    /// Envoy Gateway's name of the listener [default: tcp-PORT]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Envoy Gateway's name of the route configuration: NAMESPACE/GATEWAY/LISTENER for HTTPS [default: http-PORT]
    #[arg(long, value_name = "NAME")]
    routes: Option<String>,
    /// The image with Envoy, for a workload of the gateway's own
    #[arg(long, value_name = "IMAGE", default_value = "envoyproxy/envoy:v1.40.0")]
    image: String,
    /// The image with the module's file, for a workload of the gateway's own
    #[arg(long, value_name = "IMAGE", default_value = "sluice-module:latest")]
    module_image: String,
    /// Add a ServiceEntry and a DestinationRule for each provider's host, for a mesh with REGISTRY_ONLY
    #[arg(long)]
    closed_egress: bool,
}

/// A configuration to write.
pub struct Written {
    /// The name of the file in the output directory.
    pub file: &'static str,
    pub text: String,
    /// Notes for the operator, such as what the output leaves out.
    pub notes: Vec<String>,
}

impl Embed {
    /// Whether the Envoy only serves the gateway.
    pub fn is_own(&self) -> bool {
        self.is_envoy() || self.is_workload()
    }

    /// The default directories of the module and of the secrets, as Envoy sees them. In a workload each is a volume.
    pub fn places(&self, usual: &Path, written: &Path) -> (PathBuf, PathBuf) {
        match (self.is_envoy(), self.is_workload()) {
            (true, _) => (usual.to_owned(), written.to_owned()),
            (_, true) => (usual.join("module"), usual.join("secrets")),
            _ => (usual.to_owned(), usual.join("secrets")),
        }
    }

    /// The default path of the CA certificates: of this machine for an Envoy on it, and of Envoy's image for others.
    pub fn authorities(&self) -> PathBuf {
        if self.is_envoy() || self.fragment.is_some() { locate::authorities() } else { locate::USUAL.into() }
    }

    fn is_envoy(&self) -> bool {
        self.fragment.is_none() && self.target == Target::Envoy
    }

    fn is_workload(&self) -> bool {
        self.fragment.is_none() && self.target == Target::Istio
    }

    /// The configuration. Removes the parts of the gateway file that it cannot have.
    pub fn render(self, checked: &mut Checked, mut options: Options) -> Result<Written, Failure> {
        self.fits()?;
        if self.is_envoy() {
            return Ok(Written { file: "envoy.yaml", text: bootstrap(checked, &options), notes: Vec::new() });
        }
        if self.is_workload() {
            return self.workload(checked, options);
        }
        let mut notes = leave_out(checked);
        if self.fragment.is_none() {
            notes.extend(move_to_a_pod(checked, &mut options));
        }
        if checked.file.cache.shared {
            notes.push(format!("Envoy needs the environment variable {SECRET}, or `cache.shared` does not work"));
        }
        if !matches!(Proxy::of_environment(), Ok(None)) {
            notes.push("HTTPS_PROXY is ignored: this form has no tunnels through a proxy".to_owned());
        }
        if let Some(fragment) = self.fragment {
            let place = self.place("*".to_owned())?;
            let parts = Parts::of(checked, &place, &options)?;
            if !parts.bootstrap.is_empty() && fragment != Fragment::Bootstrap {
                notes.push("the bootstrap configuration needs `--fragment bootstrap` too".to_owned());
            }
            return Ok(Written { file: "fragment.yaml", text: fragment::text(fragment, &parts, &place), notes });
        }
        if let Module::Native(_) = options.module {
            return Err(Failure::new(
                "the native module needs Envoy 1.40 with a bootstrap extension and an environment variable: use --target istio, or \
                 the wasm module",
            ));
        }
        let (objects, file) = match self.target {
            Target::EnvoyGateway => {
                let place = self.place(String::new())?;
                let parts = Parts::of(checked, &place, &options)?;
                notes.extend((!parts.bootstrap.is_empty()).then(|| {
                    "add the output of `--fragment bootstrap` to spec.bootstrap of the EnvoyProxy, with type Merge"
                        .to_owned()
                }));
                let port = self.port.unwrap_or(80);
                if port == 443 && self.routes.is_none() {
                    return Err(Failure::new(
                        "--routes is missing: for an HTTPS listener, Envoy Gateway's route configuration is called \
                         NAMESPACE/GATEWAY/LISTENER",
                    ));
                }
                let selection = envoy_gateway::Selection {
                    namespace: self.namespace,
                    gateway: self.gateway.unwrap_or_else(|| "eg".to_owned()),
                    listener: self.listener.unwrap_or_else(|| format!("tcp-{port}")),
                    routes: self.routes.unwrap_or_else(|| format!("http-{port}")),
                };
                (vec![envoy_gateway::object(&parts, &place, &selection)], "envoy-gateway.yaml")
            }
            _ => self.istio(checked, &options, &mut notes)?,
        };
        let documents: Vec<String> = objects.iter().map(block::document).collect();
        Ok(Written { file, text: documents.join("---\n"), notes })
    }

    fn istio(
        self,
        checked: &Checked,
        options: &Options,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<Value>, &'static str), Failure> {
        let is_sidecar = self.target == Target::IstioSidecar;
        let own = if is_sidecar { format!("sluice.{}.svc.cluster.local", self.namespace) } else { String::new() };
        let place = self.place(own)?;
        let parts = Parts::of(checked, &place, options)?;
        if !parts.bootstrap.is_empty() {
            notes.push(format!(
                "the proxies' pods need the annotation sidecar.istio.io/bootstrapOverride: {}, or redis.mode, cache.shared, \
                 metrics.otlp and alerts do not work",
                istio::BOOTSTRAP
            ));
        }
        if !is_sidecar && place.prefix.is_none() && self.gateway.is_none() {
            let host = &place.host;
            notes.push(format!("{host} needs a VirtualService or an HTTPRoute of its own; --gateway NAME writes one"));
        }
        let (proxies, file) = match is_sidecar {
            true => (Proxies::Sidecars, "istio-sidecar.yaml"),
            false => (Proxies::Gateway, "istio-gateway.yaml"),
        };
        let labels = match is_sidecar || !self.selector.is_empty() {
            true => self.selector,
            false => vec![("istio".to_owned(), "ingressgateway".to_owned())],
        };
        let port = self.port.or(is_sidecar.then_some(80));
        let selection = istio::Selection { proxies, namespace: self.namespace, labels, port, gateway: self.gateway };
        Ok((istio::objects(&parts, &place, &selection), file))
    }

    fn workload(self, checked: &mut Checked, mut options: Options) -> Result<Written, Failure> {
        if self.path_prefix.is_some() || self.host.is_some() {
            return Err(Failure::new(
                "a workload of the gateway's own serves all hosts and paths that reach it: route them with a VirtualService or an \
                 HTTPRoute instead of --host and --path-prefix",
            ));
        }
        workload::listen_everywhere(checked);
        let files = move_to_a_pod(checked, &mut options);
        options.concurrency.get_or_insert(1);
        options.cgroup = options.access_log.is_none();
        let Self { namespace, image, module_image, closed_egress, .. } = self;
        let workload = Workload { namespace, image, module_image, closed_egress };
        let mut notes = vec![format!(
            "the pods need the Secret sluice-secrets in the namespace {}, with the files that --out writes to secrets/",
            workload.namespace
        )];
        notes.extend(files);
        let inside = checked.file.admin.as_ref().is_some_and(|admin| admin.listen.starts_with("127."));
        notes.extend(inside.then(|| {
            "admin.listen is a loopback address: reach it with `kubectl port-forward`, or set it to 0.0.0.0".to_owned()
        }));
        let (text, more) = workload::objects(checked, &workload, &options)?;
        notes.extend(more);
        Ok(Written { file: "istio.yaml", text, notes })
    }

    /// Rejects options that would have no effect.
    fn fits(&self) -> Result<(), Failure> {
        use Target::{EnvoyGateway, Istio, IstioGateway, IstioSidecar};
        let filters = [IstioGateway, IstioSidecar];
        let options: [(&str, bool, &[Target]); 6] = [
            ("--closed-egress", self.closed_egress, &[Istio]),
            ("--selector", !self.selector.is_empty(), &filters),
            ("--port", self.port.is_some(), &[IstioGateway, IstioSidecar, EnvoyGateway]),
            ("--gateway", self.gateway.is_some(), &[IstioGateway, EnvoyGateway]),
            ("--listener", self.listener.is_some(), &[EnvoyGateway]),
            ("--routes", self.routes.is_some(), &[EnvoyGateway]),
        ];
        for (option, is_set, targets) in options {
            if is_set && (self.fragment.is_some() || !targets.contains(&self.target)) {
                let names: Vec<_> = targets.iter().filter_map(Target::to_possible_value).collect();
                let names: Vec<_> = names.iter().map(|name| name.get_name()).collect();
                return Err(Failure::new(format!("{option} is only for --target {}", names.join(", "))));
            }
        }
        let gateway = self.gateway.as_deref().unwrap_or_default();
        if self.target == EnvoyGateway && gateway.contains('/') {
            return Err(Failure::new("--gateway of --target envoy-gateway has no namespace: use --namespace"));
        }
        if self.path_prefix.is_some() && self.target == IstioGateway && self.gateway.is_some() {
            return Err(Failure::new("--gateway does not go with --path-prefix: the host has its routes already"));
        }
        if self.is_envoy() && (self.host.is_some() || self.path_prefix.is_some()) {
            return Err(Failure::new("--host and --path-prefix need --fragment or --target"));
        }
        Ok(())
    }

    fn place(&self, default: String) -> Result<Place, Failure> {
        let host = self.host.clone().unwrap_or(default);
        if host.is_empty() {
            return Err(Failure::new("--host is missing: the host that clients call, such as llm.example.com"));
        }
        Ok(Place { host, prefix: self.path_prefix.clone() })
    }
}

/// Removes the settings of listeners that are not the gateway's, and names them.
fn leave_out(checked: &mut Checked) -> Vec<String> {
    let file = &mut checked.file;
    let admin = file.admin.take().map(|_| "`admin` is left out: its listener needs an Envoy of the gateway's own");
    let tls = file.tls.take().map(|_| "`tls` is left out: clients connect to a listener that is not the gateway's");
    admin.into_iter().chain(tls).map(str::to_owned).collect()
}

/// Makes the gateway file's relative paths those of a pod, and names the files that it needs. Removes `log.file`: Envoy rejects a log that it
/// cannot open.
fn move_to_a_pod(checked: &mut Checked, options: &mut Options) -> Vec<String> {
    options.base = BASE.into();
    let file = &mut checked.file;
    let log = file.log.file.take().filter(|_| options.access_log.is_none()).map(|_| {
        "`log.file` is left out: the access log goes to standard output. --access-log names a path in the pod"
            .to_owned()
    });
    let tls = [file.tls.as_ref(), file.admin.as_ref().and_then(|admin| admin.tls.as_ref())].into_iter().flatten();
    let certificates = tls.filter_map(|tls| Some(&tls.sds.as_ref()?.file));
    let aws = file.providers.values().map(|provider| &provider.aws).chain(file.judges.values().map(|judge| &judge.aws));
    let tokens = aws.filter_map(|aws| Some(&aws.as_ref()?.web_identity.as_ref()?.token.file));
    let relative = certificates.chain(tokens).filter(|path| Path::new(path).is_relative());
    let needed = relative.map(|path| format!("the pods need the file {}", options.base.join(path).display()));
    log.into_iter().chain(needed).collect()
}

fn host(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    match !text.is_empty() && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err("expected a host name in lower case, without a port".to_owned()),
    }
}

fn prefix(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let is_path =
        Path::new(text).is_absolute() && !text.ends_with('/') && !text.contains("//") && text.chars().all(good);
    if is_path {
        Ok(text.to_owned())
    } else {
        Err("expected a path such as /llm, without a slash at its end".to_owned())
    }
}

fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    match !text.is_empty() && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err("expected a Kubernetes name: lower-case letters, digits, hyphens, dots".to_owned()),
    }
}

fn reference(text: &str) -> Result<String, String> {
    let (namespace, rest) = text.split_once('/').unwrap_or(("default", text));
    name(namespace)?;
    name(rest)?;
    Ok(text.to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
