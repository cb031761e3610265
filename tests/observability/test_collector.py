"""A real OTLP receiver takes the metrics, the spans and the log records, and reads the same in them."""

import os
import re
from pathlib import Path

import pytest
from conftest import Prometheus, eventually

LOG = Path(os.environ["OTLP_LOG"])


def received(pattern: str) -> list[str]:
    """What the receiver printed."""
    return re.findall(pattern, LOG.read_text(errors="replace"))


@pytest.mark.parametrize("name", ["sluice.requests", "sluice.tokens", "gen_ai.client.operation.duration", "gen_ai.client.token.usage"])
def test_metrics(prometheus: Prometheus, name: str) -> None:
    assert eventually(lambda: received(rf"-> Name: {re.escape(name)}\n"))


def test_histograms_keep_their_unit_and_buckets(prometheus: Prometheus) -> None:
    assert eventually(lambda: received(r"-> Name: gen_ai\.server\.request\.duration\n.*\n +-> Unit: s\n +-> DataType: Histogram"))
    assert eventually(lambda: received(r"ExplicitBounds #\d+: 81\.92"))


def test_spans_of_requests_and_of_attempts(prometheus: Prometheus) -> None:
    assert eventually(lambda: received(r"Name +: chat chat\n"))
    assert eventually(lambda: received(r"gen_ai\.usage\.output_tokens: Int\(\d+\)"))


def test_log_records_are_the_lines(prometheus: Prometheus) -> None:
    assert eventually(lambda: received(r'Body: Str\(\{"time":".*"team":"research"'))


def test_nothing_was_rejected() -> None:
    assert not received(r"ERROR\S* .*")
