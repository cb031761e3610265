"""Says what does not fit together in a set of manifests: names that nothing has, ports that nobody opens, flags that the command lacks."""

import json
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator

import yaml
from conftest import ROOT, SLUICE

MIB = 1 << 20
UNITS = {"KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30, "Ki": 1 << 10, "Mi": MIB, "Gi": 1 << 30}


def size(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", text).groups()
    return int(number) * UNITS[unit]


def created_secrets() -> dict[str, set[str]]:
    """The Secrets that the commands of the documentation create, with their keys."""
    text = (ROOT / "docs/kubernetes.md").read_text().replace("\\\n", " ")
    made = {}
    for kind, name, rest in re.findall(r"create secret (generic|tls) (\S+)(.*)", text):
        keys = {"tls.crt", "tls.key"} if kind == "tls" else set(re.findall(r"--from-(?:literal|file)=([^=\s]+)=", rest))
        made.setdefault(name, set()).update(keys)
    return made


class Manifests:
    def __init__(self, documents: list[dict]):
        self.documents = documents
        self.secrets = created_secrets()
        self.config = {found["metadata"]["name"]: set(found["data"]) for found in self.of("ConfigMap")}
        self.gateway = next(found for found in self.of("Deployment"))
        self.text = next(found["data"]["gateway.yaml"] for found in self.of("ConfigMap") if "gateway.yaml" in found["data"])
        self.file = yaml.safe_load(self.text)

    def of(self, kind: str) -> list[dict]:
        return [found for found in self.documents if found["kind"] == kind]

    def workloads(self) -> list[dict]:
        return self.of("Deployment") + self.of("StatefulSet")

    def problems(self) -> list[str]:
        checks = (
            self.names,
            self.references,
            self.ports,
            self.selectors,
            self.security,
            self.flags,
            self.checked,
            self.paths,
            self.memory,
            self.shutdown,
            self.scaling,
            self.redis,
        )
        return [problem for check in checks for problem in check()]

    def names(self) -> Iterator[str]:
        seen = set()
        for found in self.documents:
            name = found["kind"], found["metadata"]["name"]
            if name in seen:
                yield f"two of {name}"
            seen.add(name)

    def references(self) -> Iterator[str]:
        """ServiceAccounts, ConfigMaps, Secrets and volumes."""
        accounts = {found["metadata"]["name"] for found in self.of("ServiceAccount")}
        for found in self.workloads():
            spec = found["spec"]["template"]["spec"]
            if spec.get("serviceAccountName", "default") not in accounts | {"default"}:
                yield f"no ServiceAccount {spec['serviceAccountName']}"
            volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
            claims = {claim["metadata"]["name"] for claim in found["spec"].get("volumeClaimTemplates", [])}
            mounted = set()
            for container in containers(spec):
                for mount in container.get("volumeMounts", []):
                    mounted.add(mount["name"])
                    if mount["name"] not in volumes.keys() | claims:
                        yield f"{container['name']}: no volume {mount['name']}"
                    if "subPath" in mount:
                        yield f"{container['name']}: {mount['mountPath']} would never change"
                for variable in container.get("env", []):
                    reference = variable.get("valueFrom", {}).get("secretKeyRef")
                    if reference:
                        yield from self.secret(reference["name"], reference["key"])
            for name in (volumes.keys() | claims) - mounted:
                yield f"the volume {name} is mounted nowhere"
            for volume in volumes.values():
                if "configMap" in volume and volume["configMap"]["name"] not in self.config:
                    yield f"no ConfigMap {volume['configMap']['name']}"
                for name in secrets_of(volume):
                    yield from self.secret(name)
        for found in self.of("ServiceMonitor"):
            for endpoint in found["spec"]["endpoints"]:
                reference = endpoint["authorization"]["credentials"]
                yield from self.secret(reference["name"], reference["key"])

    def secret(self, name: str, key: str | None = None) -> Iterator[str]:
        if name not in self.secrets:
            yield f"the documentation creates no Secret {name}"
        elif key is not None and key not in self.secrets[name]:
            yield f"the documentation's Secret {name} has no key {key}"

    def ports(self) -> Iterator[str]:
        """Services, probes and network policies name ports of their pods, and these are the gateway file's."""
        for found in self.workloads():
            for container in containers(found["spec"]["template"]["spec"]):
                own = {port["name"] for port in container.get("ports", [])}
                for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                    for action in ("httpGet", "tcpSocket"):
                        port = container.get(kind, {}).get(action, {}).get("port")
                        if port is not None and port not in own:
                            yield f"{container['name']}: {kind}: no port {port}"
        for found in self.of("Service"):
            for port in found["spec"]["ports"]:
                if port["targetPort"] not in self.open(found["spec"]["selector"]):
                    yield f"Service {found['metadata']['name']}: no port {port['targetPort']}"
        for found in self.of("NetworkPolicy"):
            for rule in found["spec"].get("ingress", []):
                for port in rule["ports"]:
                    if port["port"] not in self.open(found["spec"]["podSelector"]["matchLabels"]):
                        yield f"NetworkPolicy {found['metadata']['name']}: no port {port['port']}"
        gateway = gateway_container(self.gateway)
        open_ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
        listens = {"http": self.file["listen"], "admin": self.file.get("admin", {}).get("listen", "127.0.0.1:8081")}
        for name, address in listens.items():
            host, port = address.rsplit(":", 1)
            outside = host in ("0.0.0.0", "[::]")
            if outside and open_ports.get(name) != int(port):
                yield f"the gateway listens on {address}, and its container opens {open_ports.get(name)} as {name}"
            if name in open_ports and not outside:
                yield f"{name}: only the pod itself reaches {address}"
        tls = "HTTPS" if "tls" in self.file else "HTTP"
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = gateway[kind].get("httpGet")
            if "client_ca" in self.file.get("tls", {}):
                if probe:
                    yield f"{kind}: the kubelet has no client certificate"
            elif not probe or probe.get("scheme", "HTTP") != tls or probe["path"] != ("/ready" if kind == "readinessProbe" else "/health"):
                yield f"{kind}: not as the gateway serves it: {probe}"
        for found in self.of("ServiceMonitor"):
            wanted = found["spec"]["selector"]["matchLabels"].items()
            for endpoint in found["spec"]["endpoints"]:
                services = [service for service in self.of("Service") if wanted <= service["metadata"].get("labels", {}).items()]
                if not any(port["name"] == endpoint["port"] for service in services for port in service["spec"]["ports"]):
                    yield f"ServiceMonitor: no Service has the port {endpoint['port']}"
                if ("tls" in self.file.get("admin", {})) != (endpoint.get("scheme", "http") == "https"):
                    yield "ServiceMonitor: another scheme than the administration listener's"

    def open(self, labels: dict) -> dict[str, int]:
        """The ports of the pods with these labels."""
        pods = [found["spec"]["template"] for found in self.workloads()]
        pods = [pod for pod in pods if labels.items() <= pod["metadata"]["labels"].items()]
        return {
            port["name"]: port["containerPort"]
            for pod in pods
            for container in containers(pod["spec"])
            for port in container.get("ports", [])
        }

    def selectors(self) -> Iterator[str]:
        """Each selector selects a pod of its own kind, and the labels of a workload's pods are those that it selects."""
        pods = [found["spec"]["template"]["metadata"]["labels"] for found in self.workloads()]
        for found in self.documents:
            spec = found.get("spec", {})
            selector = spec.get("podSelector") or spec.get("selector") or {}
            labels = selector.get("matchLabels", selector)
            if found["kind"] == "ServiceMonitor" or not labels:
                continue
            matching = [pod for pod in pods if labels.items() <= pod.items()]
            if len(matching) != 1:
                yield f"{found['kind']} {found['metadata']['name']}: selects {len(matching)} kinds of pods"
        for found in self.of("NetworkPolicy"):
            for rule in found["spec"].get("egress", []):
                for peer in rule.get("to", []):
                    labels = peer.get("podSelector", {}).get("matchLabels", {})
                    port = rule["ports"][0]["port"]
                    if "app.kubernetes.io/component" in labels and port not in self.open(labels).values():
                        yield f"NetworkPolicy {found['metadata']['name']}: no pod opens {port}"

    def security(self) -> Iterator[str]:
        """The restricted profile of Kubernetes' pod security standards, and a root filesystem that is read-only."""
        for found in self.workloads():
            spec = found["spec"]["template"]["spec"]
            pod = spec["securityContext"]
            name = found["metadata"]["name"]
            if not pod.get("runAsNonRoot") or not pod.get("runAsUser"):
                yield f"{name}: runs as root"
            if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
                yield f"{name}: no seccomp profile"
            if spec.get("automountServiceAccountToken") is not False:
                yield f"{name}: has a token of Kubernetes"
            for container in containers(spec):
                context = container.get("securityContext", {})
                if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities", {}).get("drop") != ["ALL"]:
                    yield f"{name}/{container['name']}: has privileges"
                if not context.get("readOnlyRootFilesystem"):
                    yield f"{name}/{container['name']}: a writable root filesystem"
                if "memory" not in container.get("resources", {}).get("limits", {}):
                    yield f"{name}/{container['name']}: no limit of memory"

    def flags(self) -> Iterator[str]:
        """The command accepts its arguments: with --help at their end it reads all of them and does nothing."""
        judged = subprocess.run([SLUICE, *gateway_container(self.gateway)["args"], "--help"], capture_output=True, text=True)
        if judged.returncode != 0:
            yield judged.stderr.splitlines()[0]

    def checked(self) -> Iterator[str]:
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "gateway.yaml"
            file.write_text(self.text)
            judged = subprocess.run([SLUICE, "check", "--offline", file], capture_output=True, text=True)
            if judged.returncode != 0:
                yield judged.stderr

    def paths(self) -> Iterator[str]:
        """The gateway file is where the command reads it, and each file that it names is a key of a mounted Secret."""
        spec = self.gateway["spec"]["template"]["spec"]
        container = gateway_container(self.gateway)
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"] if mount["name"] in volumes}
        config, name = container["args"][1].rsplit("/", 1)
        read = mounts.get(config, {}).get("configMap", {}).get("name")
        if name not in self.config.get(read, set()):
            yield f"{container['args'][1]} is not there"
        if "/dev/shm" not in mounts or mounts["/dev/shm"].get("emptyDir", {}).get("medium") != "Memory":
            yield "no memory for the credentials: /dev/shm"
        for file in named_files(self.file):
            directory, _, key = file.rpartition("/")
            secrets = secrets_of(mounts.get(directory, {}))
            if not any(key in self.secrets.get(secret, set()) for secret in secrets):
                yield f"{file}: no mounted Secret has it"
        for argument in container["args"]:
            module = re.fullmatch(r"--(?:wasm|native)=(.*)/[^/]+", argument)
            if module and "image" not in mounts.get(module[1], {}):
                yield f"{argument}: no module is mounted there"

    def memory(self) -> Iterator[str]:
        """The limit covers the peak that ./scripts/soak --hostile allows, and the files in /dev/shm."""
        container = gateway_container(self.gateway)
        workers = int(re.search(r"--concurrency[= ](\d+)", " ".join(container["args"]))[1])
        worker = 3 * size(self.file.get("memory", {}).get("worker", "256MiB")) + (256 + 2 * 48) * MIB
        cache = size(self.file.get("cache", {}).get("memory", "64MiB"))
        peak = 185 * MIB + workers * worker + cache
        limit = size(container["resources"]["limits"]["memory"])
        if limit < peak:
            yield f"a limit of {limit // MIB} MiB of memory, and a peak of {peak // MIB} MiB"

    def shutdown(self) -> Iterator[str]:
        """The kubelet kills no gateway that still drains."""
        container = gateway_container(self.gateway)
        drain = int(re.search(r"--drain[= ](\d+)s", " ".join(container["args"]))[1])
        asleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = self.gateway["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        if grace <= asleep + 5 + drain + 5:
            yield f"{grace} s are too few: preStop {asleep} s, the delay 5 s, --drain {drain} s, Envoy's end 5 s"

    def scaling(self) -> Iterator[str]:
        metrics = (ROOT / "docs/observability.md").read_text()
        containers_here = {container["name"] for container in containers(self.gateway["spec"]["template"]["spec"])}
        for found in self.of("HorizontalPodAutoscaler"):
            target = found["spec"]["scaleTargetRef"]
            if target["name"] != self.gateway["metadata"]["name"] or target["kind"] != "Deployment":
                yield f"scales no workload: {target}"
            if "replicas" in self.gateway["spec"]:
                yield "each kubectl apply would undo the autoscaling"
            for metric in found["spec"]["metrics"]:
                name = metric.get("pods", {}).get("metric", {}).get("name")
                if name and f"| `{name}` | gauge |" not in metrics:
                    yield f"no gauge {name}"
                container = metric.get("containerResource", {}).get("container")
                if container and container not in containers_here:
                    yield f"no container {container}"
        if "redis" not in self.file and (self.of("HorizontalPodAutoscaler") or self.gateway["spec"].get("replicas") != 1):
            yield "several instances without Redis: each would count by itself"

    def redis(self) -> Iterator[str]:
        """The gateway reaches Webdis in its pod, and Webdis reaches Redis."""
        if "redis" not in self.file:
            return
        webdis = [json.loads(found["data"]["webdis.json"]) for found in self.of("ConfigMap") if "webdis.json" in found["data"]]
        for options in webdis:
            if self.file["redis"]["url"] != f"http://{options['http_host']}:{options['http_port']}":
                yield f"no Webdis at {self.file['redis']['url']}"
            services = {(found["metadata"]["name"], port["port"]) for found in self.of("Service") for port in found["spec"]["ports"]}
            if (options["redis_host"], options["redis_port"]) not in services:
                yield f"no Redis at {options['redis_host']}:{options['redis_port']}"
        spec = self.gateway["spec"]["template"]["spec"]
        sidecars = [container for container in spec.get("initContainers", []) if container.get("restartPolicy") == "Always"]
        if [sidecar["name"] for sidecar in sidecars] != ["webdis"]:
            yield "Webdis is no sidecar: it would end before the gateway's last settlements"
        for sidecar in sidecars:
            directory, name = sidecar["args"][0].rsplit("/", 1)
            mount = next((mount for mount in sidecar["volumeMounts"] if mount["mountPath"] == directory), None)
            volume = next((volume for volume in spec["volumes"] if mount and volume["name"] == mount["name"]), {})
            keys = self.config.get(volume.get("configMap", {}).get("name"), set())
            keys = keys.union(*(self.secrets.get(secret, set()) for secret in secrets_of(volume)))
            if name not in keys:
                yield f"{sidecar['args'][0]} is not there"


def containers(spec: dict) -> list[dict]:
    return spec.get("initContainers", []) + spec["containers"]


def gateway_container(deployment: dict) -> dict:
    return next(container for container in deployment["spec"]["template"]["spec"]["containers"] if container["name"] == "gateway")


def secrets_of(volume: dict) -> list[str]:
    projected = volume.get("projected", {}).get("sources", [])
    names = [source["secret"]["name"] for source in projected if "secret" in source]
    return names + ([volume["secret"]["secretName"]] if "secret" in volume else [])


def named_files(value: object) -> Iterator[str]:
    """The files that a gateway file names."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("file", "certificate", "key", "client_ca") and isinstance(inner, str):
                yield inner
            else:
                yield from named_files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named_files(inner)
