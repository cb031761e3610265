"""Measures a scrape of many time series: measure.py [KEYS]. Each key adds seven series; 1,500 keys are 10,500.

Prints size, time and Envoy's processor time for a scrape in each format, and the latency of requests with and without scrapes. The
numbers of docs/observability.md come from here. It needs the builds of `./scripts/build --test`.
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEYS = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
GATEWAY, METRICS, ENVOY, SIMULATOR = 29080, 29090, 29901, 29081
FORMATS = {"plain": "text/plain", "OpenMetrics": "application/openmetrics-text"}


def key(number: int) -> str:
    return f"sk-sluice-measure-{number}"


def gateway_file() -> str:
    sha = [hashlib.sha256(key(number).encode()).hexdigest() for number in range(KEYS)]
    keys = [{"id": f"user-{n}", "team": f"team-{n % 50}", "app": f"app-{n % 20}", "sha256": sha[n]} for n in range(KEYS)]
    return json.dumps({
        "listen": f"127.0.0.1:{GATEWAY}",
        "admin": {"listen": f"127.0.0.1:{METRICS}", "sha256": "0" * 64},
        "metrics": {"public": True, "key_label": True, "series": 100_000},
        "providers": {"openai": {"kind": "openai", "url": f"http://127.0.0.1:{SIMULATOR}/v1", "key": {"env": "SIMULATOR_KEY"}}},
        "models": {"chat": {"targets": [{"provider": "openai", "model": "gpt-sim"}]}},
        "prices": {"unpriced": {"input": 1, "output": 2}},
        "teams": {f"team-{n}": {} for n in range(50)},
        "apps": {f"app-{n}": {} for n in range(20)},
        "keys": keys,
    })


def call(number: int) -> float:
    """The duration of one request, in milliseconds."""
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    headers = {"authorization": f"Bearer {key(number)}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{GATEWAY}/v1/chat/completions", body, headers)
    began = time.perf_counter()
    urllib.request.urlopen(request, timeout=30).read()
    return (time.perf_counter() - began) * 1000


def scrape(accept: str, encoding: str = "identity") -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{METRICS}/metrics", headers={"accept": accept, "accept-encoding": encoding})
    return urllib.request.urlopen(request, timeout=30).read()


def processor_time(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(check: object, seconds: int = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError


def latencies(number: int, accept: str | None) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum of requests, in milliseconds, while Prometheus scrapes every second, or not at all."""
    done = threading.Event()

    def scraper() -> None:
        while not done.wait(1):
            scrape(accept)

    if accept:
        threading.Thread(target=scraper, daemon=True).start()
    times = sorted(call(n % KEYS) for n in range(number))
    done.set()
    return statistics.median(times), times[int(len(times) * 0.99)], times[-1]


def measure(envoy: int) -> None:
    for number in range(KEYS):
        call(number)
    wait_for(lambda: scrape("text/plain").count(b"\nsluice_requests_total{") >= KEYS)
    for name, accept in FORMATS.items():
        text = scrape(accept)
        series = sum(1 for line in text.splitlines() if not line.startswith(b"#"))
        print(f"{name}: {series} series, {len(text) / 1024:.0f} KiB, with gzip {len(scrape(accept, 'gzip')) / 1024:.0f} KiB")
        before, times = processor_time(envoy), []
        for _ in range(50):
            began = time.perf_counter()
            scrape(accept)
            times.append((time.perf_counter() - began) * 1000)
        used = (processor_time(envoy) - before) / len(times) * 1000
        print(f"  time {statistics.median(times):.1f} ms, at most {max(times):.1f}; Envoy's processor time {used:.1f} ms")
    for round_ in range(3):
        for name, accept in ({"no scrapes": None} | FORMATS).items():
            print(f"latency of requests, {name}, round {round_ + 1}: p50 %.2f ms, p99 %.2f ms, at most %.1f ms" % latencies(2000, accept))


def main() -> None:
    envoy_binary = subprocess.check_output(["bash", "-c", "source scripts/lib.sh; envoy_binary"], cwd=ROOT, text=True).strip()
    environment = os.environ | {"SIMULATOR_KEY": "sk-simulated", "SLUICE_WASM": str(ROOT / "target/sluice.wasm"), "SLUICE_ENVOY": envoy_binary}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "gateway.yaml"
        file.write_text(gateway_file())
        simulator = subprocess.Popen([ROOT / "target/debug/simulator", "--quiet", "--port", str(SIMULATOR)])
        command = [ROOT / "target/debug/sluice", "run", file, "--concurrency", "2", "--admin", f"127.0.0.1:{ENVOY}"]
        gateway = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{GATEWAY}/ready").read())
            children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
            measure(int(children[0]))
        finally:
            gateway.terminate()
            gateway.wait()
            simulator.terminate()
            simulator.wait()


if __name__ == "__main__":
    main()
