"""Both text formats, read by the parsers of Prometheus and of OpenMetrics."""

import os
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import Prometheus
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

URL, KEY = os.environ["METRICS_URL"], os.environ["METRICS_KEY"]


def fetch(accept: str, key: str = KEY, url: str = URL) -> tuple[str, str]:
    request = urllib.request.Request(url, headers={"accept": accept, "authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.headers["content-type"], response.read().decode()


def names(families: object) -> set:
    return {(sample.name, *sorted(sample.labels.items())) for family in families for sample in family.samples}


def test_both_formats_have_the_same_series(prometheus: Prometheus) -> None:
    kind, old = fetch("text/plain")
    assert kind.startswith("text/plain; version=0.0.4")
    kind, new = fetch("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    before, after = names(plain(old)), names(open_metrics(new))
    assert len(before) > 500
    # The load goes on between the two responses, and may add series.
    assert before <= after


def test_promtool_finds_nothing_to_improve(prometheus: Prometheus) -> None:
    _, text = fetch("text/plain")
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert result.stdout + result.stderr == ""


def test_prometheus_reads_openmetrics_without_an_error(prometheus: Prometheus) -> None:
    targets = prometheus.get("targets")["activeTargets"]
    assert {(target["labels"]["job"], target["health"], target["lastError"]) for target in targets} == {("sluice", "up", ""), ("sluice-envoy", "up", "")}


def test_the_scrapers_key_reads_only_metrics() -> None:
    for key, url in ((KEY, URL.replace("/metrics", "/admin/v1/keys")), ("sk-wrong", URL)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch("text/plain", key, url)
        assert refused.value.code in (401, 403)
