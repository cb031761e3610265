"""A gateway under load, which Prometheus scrapes: `run` starts both, and the load begins with the first test that needs it."""

import json
import os
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

import load
import pytest

PROMETHEUS = os.environ["PROMETHEUS_URL"]
# A rate of 10 seconds needs scrapes and rounds of the load within each 10 seconds.
SCRAPES, ROUNDS = 15, 3


class Prometheus:
    """Prometheus' HTTP API."""

    def get(self, path: str, **parameters: object) -> object:
        with urllib.request.urlopen(f"{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list:
        return self.get("query", query=expression)["result"]

    def range(self, expression: str, seconds: int = 30, step: int = 1) -> list:
        now = time.time()
        return self.get("query_range", query=expression, start=now - seconds, end=now, step=step)["result"]


def eventually(attempt: Callable, seconds: int = 60) -> object:
    """The first true result of the attempts within this time, else the last one."""
    deadline = time.monotonic() + seconds
    while True:
        result = attempt()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.2)


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    """Prometheus, while the load goes on."""
    server, traffic = Prometheus(), load.Load()

    def warm() -> bool:
        scrapes = server.query("min(count_over_time(up[5m]))")
        return traffic.error is not None or (traffic.rounds >= ROUNDS and bool(scrapes) and float(scrapes[0]["value"][1]) >= SCRAPES)

    assert eventually(warm, 120), "Prometheus has too few scrapes"
    yield server
    traffic.stop()
    if traffic.error:
        raise traffic.error
