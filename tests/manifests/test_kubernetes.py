"""examples/kubernetes: what kustomize and Helm render is valid, and fits together."""

import copy
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import conftest
import helm_python
import kubernetes_validate
import pytest
import yaml
from consistency import Manifests, gateway_container

# Kinds of the Prometheus Operator and of Istio, for which no schema is at hand.
FOREIGN = {"ServiceMonitor", "PeerAuthentication", "AuthorizationPolicy", "ServiceEntry"}
OLDEST, NEWEST = "1.29", "1.37"


def invalid(documents: list[dict], version: str) -> list[str]:
    found = []
    for document in documents:
        if document["kind"] in FOREIGN:
            continue
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            found.append(f"{document['kind']} {document['metadata']['name']}: {error}")
    return found


needs_kustomize = pytest.mark.skipif(conftest.kustomize() is None, reason="no kustomize 5 here")


@pytest.fixture(
    params=[
        *(pytest.param(("overlay", name), id=f"overlay-{name}", marks=needs_kustomize) for name in conftest.OVERLAYS),
        *(pytest.param(("chart", name), id=f"chart-{name}") for name in ["default", *conftest.VALUES]),
    ]
)
def documents(request: pytest.FixtureRequest) -> list[dict]:
    kind, name = request.param
    return conftest.overlay(name) if kind == "overlay" else conftest.chart(conftest.values(name))


def test_kubernetes_accepts_it(documents: list[dict]) -> None:
    image_volume = any(
        "image" in volume for found in documents if found["kind"] == "Deployment" for volume in found["spec"]["template"]["spec"]["volumes"]
    )
    for version in [NEWEST] if image_volume else [OLDEST, NEWEST]:
        assert invalid(documents, version) == []


def test_it_fits_together(documents: list[dict]) -> None:
    assert Manifests(documents).problems() == []


def test_everything_renders_each_kind_and_nothing_only_what_is_needed() -> None:
    kinds = {name: {found["kind"] for found in conftest.chart(conftest.values(name))} for name in ("everything", "nothing")}
    assert kinds["nothing"] == {"ConfigMap", "Deployment", "Service", "ServiceAccount"}
    assert kinds["everything"] - kinds["nothing"] == {
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ServiceMonitor",
        "StatefulSet",
    }


def test_everything_sets_each_value() -> None:
    """A value that `everything` leaves as it is would be tested in one state only."""
    with helm_python.Chart.load(str(conftest.CHART)) as loaded:
        values, everything = loaded.values, conftest.values("everything")
    same = {name for name in values if everything.get(name, values[name]) == values[name]}
    assert same == {"replicas", "logLevel", "secrets", "topologySpread", "podSecurityContext"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gateway": ""}, "--set-file gateway=gateway.yaml"),
        ({"gateway": "a: ["}, "gateway: not YAML"),
        ({"gateway": "listen: 127.0.0.1:8080"}, "reachable inside of the pod only"),
        ({"gateway": "models: {}"}, "reachable inside of the pod only"),
        ({"gateway": "listen: 0.0.0.0:8080", "redis": {"enabled": True}}, "needs redis:"),
        ({"gateway": "listen: 0.0.0.0:8080", "serviceMonitor": {"enabled": True}}, "needs admin:"),
    ],
)
def test_the_chart_says_what_is_missing(values: dict, message: str) -> None:
    with pytest.raises(helm_python.HelmError, match=re.escape(message)):
        conftest.chart(values)


def test_helm_finds_nothing_to_complain_about() -> None:
    findings = helm_python.lint(str(conftest.CHART))
    assert "ERROR" not in str(findings) and "WARNING" not in str(findings), findings


def test_prometheus_adapter_serves_the_metric_that_scales() -> None:
    rules = yaml.safe_load((conftest.KUBERNETES / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    scaled = {
        metric["pods"]["metric"]["name"]
        for found in conftest.chart(conftest.values("everything"))
        if found["kind"] == "HorizontalPodAutoscaler"
        for metric in found["spec"]["metrics"]
        if "pods" in metric
    }
    assert {rule["seriesQuery"].split("{")[0] for rule in rules} == scaled


def test_the_patch_for_prometheus_adapter_fits_the_overlay(tmp_path: Path) -> None:
    folder = shutil.copytree(conftest.KUBERNETES, tmp_path / "kubernetes") / "overlays"
    file = folder / "redis" / "kustomization.yaml"
    patch = "patches:\n- { target: { kind: HorizontalPodAutoscaler, name: sluice }, path: requests-in-flight.yaml }\n"
    file.write_text(file.read_text().replace("patches:\n", patch, 1))
    documents = conftest.overlay("redis", folder)
    kinds = [metric["type"] for metric in first(documents, "HorizontalPodAutoscaler")["spec"]["metrics"]]
    assert kinds == ["Pods", "ContainerResource"]
    assert invalid(documents, NEWEST) == []


# Each mistake, and the check that finds it.
def first(documents: list[dict], kind: str) -> dict:
    return next(found for found in documents if found["kind"] == kind)


def pod(documents: list[dict]) -> dict:
    return first(documents, "Deployment")["spec"]["template"]["spec"]


def container(documents: list[dict]) -> dict:
    return gateway_container(first(documents, "Deployment"))


def in_file(old: str, new: str) -> Callable[[list[dict]], None]:
    def change(documents: list[dict]) -> None:
        data = next(found["data"] for found in documents if "gateway.yaml" in found.get("data", {}))
        assert old in data["gateway.yaml"]
        data["gateway.yaml"] = data["gateway.yaml"].replace(old, new)

    return change


def argument(old: str, new: str) -> Callable[[list[dict]], None]:
    def change(documents: list[dict]) -> None:
        arguments = container(documents)["args"]
        arguments[arguments.index(old)] = new

    return change


def volume(documents: list[dict], name: str) -> dict:
    return next(found for found in pod(documents)["volumes"] if found["name"] == name)


MISTAKES = {
    "no ServiceAccount": lambda found: pod(found).update(serviceAccountName="slucie"),
    "no ConfigMap": lambda found: volume(found, "config").update(configMap={"name": "gateway"}),
    "creates no Secret": lambda found: volume(found, "tls")["secret"].update(secretName="tls"),
    "no volume": lambda found: pod(found)["volumes"].pop(0),
    "mounted nowhere": lambda found: container(found)["volumeMounts"].pop(0),
    "would never change": lambda found: container(found)["volumeMounts"][0].update(subPath="gateway.yaml"),
    "has no key": lambda found: container(found)["env"][0]["valueFrom"]["secretKeyRef"].update(key="token"),
    "livenessProbe: no port": lambda found: container(found)["livenessProbe"]["httpGet"].update(port="https"),
    "not as the gateway serves it": lambda found: container(found)["readinessProbe"]["httpGet"].update(path="/health"),
    "Service sluice-redis: no port": lambda found: first(found, "Service")["spec"]["ports"][0].update(targetPort="web"),
    "NetworkPolicy sluice: no port": lambda found: first(found, "NetworkPolicy")["spec"]["ingress"][1]["ports"][0].update(port="metrics"),
    "its container opens": in_file("[::]:8443", "[::]:8080"),
    "only the pod itself reaches": in_file("[::]:8444", "127.0.0.1:8444"),
    "no Service has the port": lambda found: first(found, "ServiceMonitor")["spec"]["endpoints"][0].update(port="http"),
    "another scheme": lambda found: first(found, "ServiceMonitor")["spec"]["endpoints"][0].update(scheme="http"),
    "selects 0 kinds of pods": lambda found: first(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].update(
        {"app.kubernetes.io/name": "envoy"}
    ),
    "no pod opens": lambda found: first(found, "NetworkPolicy")["spec"]["egress"][2]["ports"][0].update(port=6379),
    "runs as root": lambda found: pod(found)["securityContext"].update(runAsUser=0),
    "no seccomp": lambda found: pod(found)["securityContext"].pop("seccompProfile"),
    "token of Kubernetes": lambda found: pod(found).pop("automountServiceAccountToken"),
    "has privileges": lambda found: container(found)["securityContext"].pop("capabilities"),
    "writable root": lambda found: container(found)["securityContext"].update(readOnlyRootFilesystem=False),
    "no limit of memory": lambda found: pod(found)["initContainers"][0]["resources"].pop("limits"),
    "unexpected argument '--workers'": argument("--concurrency=4", "--workers=4 --concurrency=4"),
    "invalid value": argument("--filter=native", "--filter=dynamic"),
    "unknown field": in_file("teams:", "temas:"),
    "gw.yaml is not there": argument("/etc/sluice/config/gateway.yaml", "/etc/sluice/config/gw.yaml"),
    "no memory for the credentials": lambda found: volume(found, "memory").update(emptyDir={}),
    "no mounted Secret has it": in_file("/secrets/openai", "/secrets/open-ai"),
    "no module is mounted": argument("--native=/opt/sluice/libsluice.so", "--native=/opt/libsluice.so"),
    "of memory, and a peak of": argument("--concurrency=4", "--concurrency=5"),
    "are too few": argument("--drain=300s", "--drain=310s"),
    "no gauge": lambda found: first(found, "HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]["metric"].update(
        name="sluice_in_flight"
    ),
    "no container": lambda found: first(found, "HorizontalPodAutoscaler")["spec"]["metrics"][1]["containerResource"].update(
        container="sluice"
    ),
    "scales no workload": lambda found: first(found, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"].update(name="gateway"),
    "undo the autoscaling": lambda found: first(found, "Deployment")["spec"].update(replicas=2),
    "count by itself": in_file("redis:", "# redis:"),
    "no Webdis at": in_file(":7379", ":7380"),
    "no Redis at": lambda found: next(found["data"] for found in found if "webdis.json" in found.get("data", {})).update(
        {"webdis.json": '{"redis_host":"redis","redis_port":6380,"http_host":"127.0.0.1","http_port":7379}'}
    ),
    "is no sidecar": lambda found: pod(found)["initContainers"][0].pop("restartPolicy"),
    "webdis.conf is not there": lambda found: pod(found)["initContainers"][0].update(args=["/etc/webdis/webdis.conf"]),
    "two of": lambda found: found.append(copy.deepcopy(first(found, "Service"))),
}


@pytest.fixture(scope="module")
def everything() -> list[dict]:
    return conftest.chart(conftest.values("everything"))


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_found(everything: list[dict], message: str) -> None:
    documents = copy.deepcopy(everything)
    MISTAKES[message](documents)
    problems = Manifests(documents).problems()
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize("field", ["readOnlyRootFilesytem", "procMont"])
def test_a_field_that_kubernetes_lacks_is_found(everything: list[dict], field: str) -> None:
    documents = copy.deepcopy(everything)
    container(documents)["securityContext"][field] = True
    assert any(field in problem for problem in invalid(documents, NEWEST))
