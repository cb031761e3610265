"""The manifests, as kustomize and Helm render them."""

import os
import pathlib
import shutil
import subprocess

import helm_python
import yaml

ROOT = pathlib.Path(__file__).parents[2]
KUBERNETES = ROOT / "examples/kubernetes"
CHART = KUBERNETES / "chart"
SLUICE = os.environ["SLUICE_BIN"]
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
VALUES = sorted(path.stem for path in (pathlib.Path(__file__).parent / "values").iterdir())


def kustomize() -> list[str] | None:
    """The command that renders a kustomization, where there is one. Debian's kubectl has a kustomize that is too old."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        version = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True).stdout
        if "Kustomize Version: v5" in version:
            return ["kubectl", "kustomize"]
    return None


def overlay(name: str, folder: pathlib.Path = KUBERNETES / "overlays") -> list[dict]:
    rendered = subprocess.run([*kustomize(), folder / name], capture_output=True, text=True)
    assert rendered.returncode == 0, rendered.stderr
    return list(yaml.safe_load_all(rendered.stdout))


def chart(values: dict) -> list[dict]:
    with helm_python.Chart.load(str(CHART)) as loaded:
        rendered = loaded.render(values, name="sluice", namespace="sluice")
    texts = (text for name, text in sorted(rendered.items()) if name.endswith(".yaml"))
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def values(name: str) -> dict:
    """A file of values; `default` is the chart's own."""
    return {} if name == "default" else yaml.safe_load((pathlib.Path(__file__).parent / "values" / f"{name}.yaml").read_text())
