"""examples/compose/everything: its files agree with each other. No container engine runs them here."""

import copy
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import yaml
from conftest import ROOT, SLUICE

COMPOSE = ROOT / "examples/compose"
EVERYTHING = COMPOSE / "everything"
# The ports on which images that are not ours listen, as their documentation says.
FOREIGN = {"redis": {6379}, "prometheus": {9090}, "grafana": {3000}}


def address(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


class Files:
    """The parsed files of the directory."""

    def __init__(self) -> None:
        def read(path: str) -> dict:
            return yaml.safe_load((EVERYTHING / path).read_text())

        self.compose, self.gateway = read("compose.yaml"), read("gateway.yaml")
        self.webdis = json.loads((EVERYTHING / "webdis.json").read_text())
        self.collector = read("collector.yaml")
        self.datasource = read("grafana/datasources/prometheus.yaml")["datasources"][0]
        self.dashboards = read("grafana/dashboards/sluice.yaml")["providers"][0]
        self.prometheus = read("../../prometheus/prometheus.yaml")
        self.metrics_key = (EVERYTHING / "metrics-key").read_text()

    def problems(self) -> list[str]:
        checks = (self.addresses, self.mounts, self.images, self.gateways, self.keys, self.collected, self.drawn)
        return [problem for check in checks for problem in check()]

    def listening(self) -> dict[str, set[int]]:
        services = self.compose["services"]
        command = services["gateway"]["command"]
        admin = command[command.index("--admin") + 1]
        simulator = services["simulator"]["command"]
        return {
            **FOREIGN,
            "gateway": {
                address(text)[1]
                for text in (self.gateway["listen"], self.gateway["admin"]["listen"], admin)
                if address(text)[0] == "0.0.0.0"
            },
            "simulator": {int(simulator[simulator.index("--port") + 1])},
            "webdis": {self.webdis["http_port"]} if self.webdis["http_host"] == "0.0.0.0" else set(),
            "collector": {address(receiver["endpoint"])[1] for receiver in self.collector["receivers"]["otlp"]["protocols"].values()},
        }

    def used(self) -> Iterator[tuple[str, int]]:
        """The addresses that files name."""
        for url in urls(self.gateway):
            yield urlsplit(url).hostname, urlsplit(url).port
        yield self.webdis["redis_host"], self.webdis["redis_port"]
        yield urlsplit(self.datasource["url"]).hostname, urlsplit(self.datasource["url"]).port
        for job in self.prometheus["scrape_configs"]:
            for config in job["static_configs"]:
                yield from map(address, config["targets"])

    def addresses(self) -> Iterator[str]:
        listening = self.listening()
        for host, port in self.used():
            if port not in listening.get(host, set()):
                yield f"no service listens on {host}:{port}"
        for name, service in self.compose["services"].items():
            for published in service.get("ports", []):
                interface, outside, inside = published.split(":")
                if interface != "127.0.0.1":
                    yield f"{name}: {published} is open to everyone"
                if int(inside) not in listening[name]:
                    yield f"{name}: nothing listens on {inside}"
            for other in service.get("depends_on", []):
                if other not in self.compose["services"]:
                    yield f"no service {other}"

    def mounts(self) -> Iterator[str]:
        volumes = self.compose["volumes"]
        for name, service in self.compose["services"].items():
            inside = [volume.split(":")[1] for volume in service.get("volumes", [])]
            for volume in service.get("volumes", []):
                here, _, *mode = volume.split(":")
                if here.startswith("."):
                    if not (EVERYTHING / here).exists():
                        yield f"{here} does not exist"
                    if mode != ["ro"]:
                        yield f"{name} may write {here}"
                elif here not in volumes:
                    yield f"no volume {here}"
            # Files that commands and configurations name.
            for word in service.get("command", []):
                file = re.search(r"/etc/\S+$", word)
                if file and file[0] not in inside:
                    yield f"{name}: {file[0]} is not mounted"
        inside = [volume.split(":")[1] for volume in self.compose["services"]["prometheus"]["volumes"]]
        named = [
            *self.prometheus["rule_files"],
            *(job["authorization"]["credentials_file"] for job in self.prometheus["scrape_configs"] if "authorization" in job),
        ]
        yield from (f"prometheus: {file} is not mounted" for file in named if file not in inside)

    def images(self) -> Iterator[str]:
        dockerfile = (COMPOSE / "Dockerfile").read_text()
        for name, service in self.compose["services"].items():
            build = service.get("build")
            if build is None:
                if not re.fullmatch(r"[a-z/-]+:v?\d+(\.\d+)+", service["image"]):
                    yield f"{name}: {service['image']} names no version"
            elif f" AS {build['target']}\n" not in dockerfile or not (EVERYTHING / build["context"] / build["dockerfile"]).is_file():
                yield f"{name}: the Dockerfile has no stage {build['target']}"
            elif not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
                yield f"{name}: may do more than it needs"

    def gateways(self) -> Iterator[str]:
        service = self.compose["services"]["gateway"]
        judged = subprocess.run([SLUICE, *service["command"], "--help"], capture_output=True, text=True)
        if judged.returncode != 0:
            yield judged.stderr.splitlines()[0]
        for provider in self.gateway["providers"].values():
            if provider["key"]["env"] not in service["environment"]:
                yield f"{provider['key']['env']} is not set"
        if self.gateway["cache"]["shared"] and len(service["environment"].get("SLUICE_CACHE_KEY", "")) < 32:
            yield "SLUICE_CACHE_KEY is too short"
        if service["healthcheck"]["test"][-1] != f"http://127.0.0.1:{address(self.gateway['listen'])[1]}/ready":
            yield "the health check asks elsewhere"
        grace = int(service["stop_grace_period"].removesuffix("s"))
        if grace <= 5 + 30 + 5:
            yield f"{grace} s are too few to drain"

    def keys(self) -> Iterator[str]:
        if hashlib.sha256(self.metrics_key.encode()).hexdigest() != self.gateway["metrics"]["sha256"]:
            yield "Prometheus' key is another one than the gateway's"

    def collected(self) -> Iterator[str]:
        pipelines = self.collector["service"]["pipelines"]
        if pipelines.keys() != {"traces", "metrics", "logs"}:
            yield f"the collector has pipelines for {', '.join(pipelines)}"
        for name, pipeline in pipelines.items():
            for part, members in pipeline.items():
                for member in members:
                    if member not in self.collector[part]:
                        yield f"{name}: no {member} in {part}"

    def drawn(self) -> Iterator[str]:
        grafana = self.compose["services"]["grafana"]
        places = {volume.split(":")[1]: EVERYTHING / volume.split(":")[0] for volume in grafana["volumes"]}
        if self.datasource["type"] != "prometheus" or not self.datasource["isDefault"]:
            yield "the dashboards choose the default Prometheus"
        folder = places.get(self.dashboards["options"]["path"])
        if folder is None or not list(folder.glob("*.json")):
            yield "no dashboards are mounted where Grafana looks"
        provisioning = places.get("/etc/grafana/provisioning")
        if provisioning is None or not {"datasources", "dashboards"} <= {path.name for path in provisioning.iterdir()}:
            yield "Grafana is not provisioned"


def urls(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "url":
                yield inner
            else:
                yield from urls(inner)


def test_the_files_agree() -> None:
    assert Files().problems() == []


MISTAKES: dict[str, Callable[[Files], object]] = {
    "no service listens on webdis:7380": lambda files: files.gateway["redis"].update(url="http://webdis:7380"),
    "no service listens on redis:6380": lambda files: files.webdis.update(redis_port=6380),
    "no service listens on webdis:7379": lambda files: files.webdis.update(http_host="127.0.0.1"),
    "no service listens on gateway:8090": lambda files: files.gateway["admin"].update(listen="127.0.0.1:8090"),
    "no service listens on gateway:9901": lambda files: files.compose["services"]["gateway"]["command"].__setitem__(3, "127.0.0.1:9901"),
    "no service listens on collector:4318": lambda files: files.collector["receivers"]["otlp"]["protocols"].update(
        http={"endpoint": "0.0.0.0:4317"}
    ),
    "no service listens on prom:9090": lambda files: files.datasource.update(url="http://prom:9090"),
    "open to everyone": lambda files: files.compose["services"]["grafana"].update(ports=["0.0.0.0:3000:3000"]),
    "nothing listens on 8000": lambda files: files.compose["services"]["gateway"].update(ports=["127.0.0.1:8080:8000"]),
    "no service cache": lambda files: files.compose["services"]["webdis"].update(depends_on=["cache"]),
    "./gw.yaml does not exist": lambda files: files.compose["services"]["gateway"].update(
        volumes=["./gw.yaml:/etc/sluice/gateway.yaml:ro"]
    ),
    "may write": lambda files: files.compose["services"]["gateway"].update(volumes=["./gateway.yaml:/etc/sluice/gateway.yaml"]),
    "no volume data": lambda files: files.compose["services"]["redis"].update(volumes=["data:/data"]),
    "webdis.json is not mounted": lambda files: files.compose["services"]["webdis"].pop("volumes"),
    "sluice-metrics-key is not mounted": lambda files: files.compose["services"]["prometheus"]["volumes"].pop(2),
    "names no version": lambda files: files.compose["services"]["grafana"].update(image="grafana/grafana:latest"),
    "has no stage": lambda files: files.compose["services"]["webdis"]["build"].update(target="redis"),
    "more than it needs": lambda files: files.compose["services"]["gateway"].pop("read_only"),
    "unexpected argument": lambda files: files.compose["services"]["gateway"]["command"].append("--port=1"),
    "SIMULATOR_KEY is not set": lambda files: files.compose["services"]["gateway"]["environment"].pop("SIMULATOR_KEY"),
    "too short": lambda files: files.compose["services"]["gateway"]["environment"].update(SLUICE_CACHE_KEY="short"),
    "asks elsewhere": lambda files: files.compose["services"]["gateway"]["healthcheck"]["test"].append("http://127.0.0.1:8081/ready"),
    "too few to drain": lambda files: files.compose["services"]["gateway"].update(stop_grace_period="40s"),
    "another one than": lambda files: setattr(files, "metrics_key", "sk-sluice-demo-metrics\n"),
    "pipelines for": lambda files: files.collector["service"]["pipelines"].pop("logs"),
    "no otlp/backend in exporters": lambda files: files.collector["service"]["pipelines"]["logs"].update(exporters=["otlp/backend"]),
    "the default Prometheus": lambda files: files.datasource.update(isDefault=False),
    "no dashboards": lambda files: files.dashboards["options"].update(path="/dashboards"),
    "not provisioned": lambda files: files.compose["services"]["grafana"]["volumes"].pop(0),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_found(message: str) -> None:
    files = Files()
    MISTAKES[message](files)
    assert any(message in problem for problem in files.problems()), files.problems()


def test_the_gateway_file_is_good() -> None:
    judged = subprocess.run([SLUICE, "check", "--offline", EVERYTHING / "gateway.yaml"], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stderr


def working(*commands: list[str]) -> list[str] | None:
    for command in commands:
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return None


COMMAND = working(["docker-compose"], ["docker", "compose"])


@pytest.mark.skipif(COMMAND is None, reason="no docker-compose here")
def test_docker_compose_accepts_the_file(tmp_path: pathlib.Path) -> None:
    compose = copy.deepcopy(Files().compose)

    def judge() -> subprocess.CompletedProcess:
        file = tmp_path / "compose.yaml"
        file.write_text(yaml.safe_dump(compose))
        return subprocess.run([*COMMAND, "-f", file, "config", "--services"], capture_output=True, text=True)

    judged = judge()
    assert judged.returncode == 0 and set(judged.stdout.split()) == compose["services"].keys(), judged.stderr
    compose["services"]["gateway"]["volume"] = []
    assert judge().returncode != 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
def test_promtool_accepts_the_files_as_they_are_mounted(tmp_path: pathlib.Path) -> None:
    volumes = dict(volume.split(":")[1::-1] for volume in Files().compose["services"]["prometheus"]["volumes"])
    for there, here in volumes.items():
        if here.startswith("."):
            target = tmp_path / there.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text((EVERYTHING / here).read_text().replace("/etc/prometheus/", f"{tmp_path}/etc/prometheus/"))

    def judge() -> subprocess.CompletedProcess:
        return subprocess.run(["promtool", "check", "config", tmp_path / "etc/prometheus/prometheus.yaml"], capture_output=True, text=True)

    judged = judge()
    assert judged.returncode == 0, judged.stderr
    (tmp_path / "etc/prometheus/sluice-metrics-key").unlink()
    assert judge().returncode != 0
