"""The benchmark behind scripts/bench, which builds what it needs and calls it.

Bare Envoy (a plain route), Envoy with an empty filter in both places (`floor`), and Envoy with Sluice each run with one
worker, pinned to the first core; the load and the simulated provider share the second. Rounds are interleaved, each
figure is compared with bare Envoy's in the same round, and the median over rounds is reported.

- Throughput is in a closed loop; CPU is the Envoy process's own, from /proc, divided by requests (events, in streams).
- Latency is what is added to bare Envoy's at the same fixed rate, half of what the row can carry, in an open loop.
- `busy` is how much of its core Envoy used: well below 100%, the load was the limit, and the CPU figures say more than
  the ratio of throughputs.
"""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SECRET = "sk-sluice-bench"
EVENTS = 200  # with text, in each of the simulator's streams
TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 32
WASM, FLOOR = Path("target/sluice.wasm"), Path("target/floor.wasm")


@dataclass
class Row:
    """One thing to measure: which Envoy, which model."""

    name: str
    envoy: str
    model: str
    stream: bool = False
    rates: list = field(default_factory=list)  # requests per second, one per round
    cpu: list = field(default_factory=list)  # microseconds of Envoy's CPU per request
    busy: list = field(default_factory=list)
    saturated: list = field(default_factory=list)  # (p50, p99)
    half: list = field(default_factory=list)  # ((p50, p99), bare's)


BARE = Row("bare", "bare", "bench")
BARE_STREAM = Row("bare_stream", "bare", "bench", stream=True)
# What an answer from the cache is compared with: one that Envoy gives by itself, as long as the simulator's.
DIRECT = Row("direct", "direct", "bench")
# `limited` is `same_dialect` with limits and budgets to check, kept in Envoy's memory; none of them refuses.
LIMITS = {"requests_per_minute": 10**9, "tokens_per_minute": 10**9, "tokens_per_day": 10**12, "concurrent_requests": 10**4}
BUDGET = {"daily": 10**6, "monthly": 10**7}
ROWS = [
    Row("floor", "floor", "bench"),
    Row("same_dialect", "sluice", "same"),
    Row("limited", "limited", "same"),
    Row("translated", "sluice", "translated"),
    Row("stream_same_dialect", "sluice", "same", stream=True),
    Row("stream_translated", "sluice", "translated", stream=True),
    Row("cache_hit", "sluice", "cached"),
]


def base_of(row):
    """What a row is compared with."""
    if row.name == "cache_hit":
        return DIRECT
    return BARE_STREAM if row.stream else BARE


HELD = []


def reserve():
    """A port that the system gives to nobody else: a socket stays bound to it. Who names it gets it all the same."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
    HELD.append(one)
    return one.getsockname()[1]


class Bench:
    def __init__(self, options, scratch, stack):
        self.options, self.scratch, self.stack = options, scratch, stack
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            sys.exit("bench: two cores are needed, one for Envoy and one for the load")
        self.envoy_core, self.load_core = cores[:2]
        self.ports, self.processes = {}, {}

    def start(self, name, command, core, port):
        log = open(self.scratch / f"{name}.log", "wb")
        # The access log is written, as in production, but kept by nobody.
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, "BENCH_PROVIDER_KEY": "sk-bench"},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        self.stack.callback(self.stop, process)
        for _ in range(600):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                self.ports[name], self.processes[name] = port, process
                return process
            time.sleep(0.1)
        sys.exit(f"bench: {name} did not start:\n" + (self.scratch / f"{name}.log").read_text()[-3000:])

    def stop(self, process):
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start_upstream(self):
        port = reserve()
        self.start("simulator", ["target/release/simulator", "--port", str(port), "--quiet"], self.load_core, port)

    def start_envoy(self, name, config, port, concurrency=1):
        command = [self.options.envoy, "-c", config, "--concurrency", str(concurrency), "--disable-hot-restart", "-l", "error"]
        return self.start(name, [str(word) for word in command], self.envoy_core, port)

    def start_proxy(self, name, wasm=None, concurrency=1):
        port = reserve()
        config = self.scratch / f"{name}.json"
        config.write_text(json.dumps(proxy(port, self.ports["simulator"], wasm, name == DIRECT.envoy)))
        return self.start_envoy(name, config, port, concurrency)

    def start_sluice(self, name, concurrency=1):
        port, out, file = reserve(), self.scratch / name, self.scratch / f"{name}.yaml"
        url = f"http://127.0.0.1:{self.ports['simulator']}/v1"
        key = {"env": "BENCH_PROVIDER_KEY"}
        gateway = {
            "listen": f"127.0.0.1:{port}",
            "providers": {kind: {"kind": kind, "url": url, "key": key} for kind in ("openai", "anthropic")},
            "models": {
                "same": {"targets": [{"provider": "openai", "model": "bench"}]},
                "translated": {"targets": [{"provider": "anthropic", "model": "bench"}]},
                "cached": {"targets": [{"provider": "openai", "model": "bench"}], "cache": {"ttl": "24h"}},
            },
            "teams": {"bench": {}},
            "keys": [{"id": "bench", "team": "bench", "sha256": hashlib.sha256(SECRET.encode()).hexdigest()}],
        }
        if name.startswith("limited"):
            gateway["prices"] = {"unpriced": {"input": 1, "output": 1}}
            gateway["keys"][0]["limits"] = LIMITS
            gateway["teams"]["bench"]["budget"] = BUDGET
        file.write_text(json.dumps(gateway))  # JSON is YAML
        command = ["target/release/sluice", "render", file, "--wasm", WASM.resolve(), "--out", out]
        command += ["--concurrency", str(concurrency), "--admin", f"127.0.0.1:{reserve()}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "BENCH_PROVIDER_KEY": "sk-bench"})
        return self.start_envoy(name, out / "envoy.yaml", port, concurrency)

    def request(self, row):
        """The bytes of one request whose body is 1 KiB."""
        body = {"model": row.model, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ""}]}
        if row.stream:
            body |= {"stream": True}
        body["messages"][1]["content"] = "x" * (1024 - len(json.dumps(body)))
        body = json.dumps(body)
        head = [
            "POST /v1/chat/completions HTTP/1.1", f"host: 127.0.0.1:{self.ports[row.envoy]}", f"authorization: Bearer {SECRET}",
            "user-agent: bench", "accept: application/json", "content-type: application/json", f"content-length: {len(body)}",
        ]
        return "\r\n".join([*head, "", body]).encode()

    def load(self, row, seconds, rate=0, connections=CONNECTIONS):
        file = self.scratch / f"{row.name}.request"
        file.write_bytes(self.request(row))
        address = f"127.0.0.1:{self.ports[row.envoy]}"
        command = ["target/release/load", address, file, connections, seconds, rate]
        done = subprocess.run(
            [str(word) for word in command], check=True, stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.load_core}),
        )
        result = json.loads(done.stdout)
        if result["errors"] or not result["requests"]:
            sys.exit(f"bench: {row.name}: {result['error'] or 'no answer'}")
        if row.stream and result["events"] < EVENTS * result["requests"]:
            sys.exit(f"bench: {row.name}: {result['events'] / result['requests']:.0f} events a stream instead of {EVENTS}")
        return result

    def saturate(self, row):
        process = self.processes[row.envoy]
        before = cpu_seconds(process.pid)
        result = self.load(row, self.options.seconds)
        used = cpu_seconds(process.pid) - before
        row.rates.append(result["requests"] / result["seconds"])
        row.cpu.append(used / result["requests"] * 1e6)
        row.busy.append(used / result["seconds"])
        row.saturated.append((result["p50_us"], result["p99_us"]))

    def half_load(self, row):
        rate = statistics.median(row.rates) / 2
        pair = []
        for one in (row, base_of(row)):
            result = self.load(one, self.options.seconds, rate=rate, connections=16)
            pair.append((result["p50_us"], result["p99_us"]))
        row.half.append(tuple(pair))

    def memory(self, names):
        """Resident memory at rest with one worker and with three: what the second and third cost, each."""
        sizes = {name: resident(self.processes[name].pid) for name in names}
        starters = {"bare": self.start_proxy, "floor": lambda name, concurrency: self.start_proxy(name, FLOOR, concurrency)}
        worker = {}
        for name in names:
            process = starters.get(name, self.start_sluice)(f"{name}-3", concurrency=3)
            time.sleep(1)
            worker[name] = (resident(process.pid) - sizes[name]) / 2
            self.stop(process)
        return {
            name: {"process_mib": sizes[name] - sizes["bare"], "worker_mib": worker[name] - worker["bare"]}
            for name in names if name != "bare"
        }


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid):
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def proxy(port, upstream, wasm, direct):
    """Envoy's configuration for a plain route, with a filter in both places when there is one; or for an answer of its own."""
    api = "type.googleapis.com/envoy.extensions"

    def address(number):
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    def filters(last, kind):
        chain = [{"name": last, "typed_config": {"@type": f"{api}.filters.http.{kind}"}}]
        if wasm:
            vm = {"vm_id": "floor", "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": str(wasm.resolve())}}}
            config = {"name": "floor", "root_id": "floor", "vm_config": vm}
            chain.insert(0, {"name": "floor", "typed_config": {"@type": f"{api}.filters.http.wasm.v3.Wasm", "config": config}})
        return chain

    action, chain = {"route": {"cluster": "upstream"}}, filters("router", "router.v3.Router")
    if direct:
        action = {"direct_response": {"status": 200, "body": {"inline_string": "x" * 1024}}}
        # Who answers before the whole request is there closes the connection.
        whole = {"@type": f"{api}.filters.http.buffer.v3.Buffer", "max_request_bytes": 1 << 16}
        chain.insert(0, {"name": "buffer", "typed_config": whole})
    manager = {
        "@type": f"{api}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}],
        }]},
        "http_filters": chain,
    }
    protocol = {
        "@type": f"{api}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": filters("codec", "upstream_codec.v3.UpstreamCodec"),
    }
    cluster = {
        "name": "upstream", "type": "STATIC",
        "load_assignment": {
            "cluster_name": "upstream", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}],
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }
    listener = {
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}



def figures(row, bare):
    per = EVENTS if row.stream else 1
    result = {
        "name": row.name,
        "throughput_ratio": round(statistics.median(a / b for a, b in zip(row.rates, bare.rates)), 3),
        "added_cpu_us": round(statistics.median((a - b) / per for a, b in zip(row.cpu, bare.cpu)), 2),
        "cpu_us": round(statistics.median(row.cpu) / per, 2),
        "bare_cpu_us": round(statistics.median(bare.cpu) / per, 2),
        "per": "event" if row.stream else "request",
        "per_second": round(statistics.median(row.rates) * per),
        "busy": round(statistics.median(row.busy), 3),
    }
    if row.half:
        for index, name in enumerate(("p50", "p99")):
            result[f"{name}_us"] = round(statistics.median(own[index] - plain[index] for own, plain in row.half), 1)
            result[f"half_load_{name}_us"] = round(statistics.median(own[index] for own, _ in row.half), 1)
            result[f"bare_half_load_{name}_us"] = round(statistics.median(plain[index] for _, plain in row.half), 1)
            result[f"saturated_{name}_us"] = round(statistics.median(pair[index] for pair in row.saturated), 1)
    return result


def table(rows, bares, memory, size):
    line = "{:<22}{:>12}{:>12}{:>12}{:>12}{:>13}{:>8}"
    print(line.format("", "throughput", "added CPU", "added p50", "added p99", "per second", "busy"))
    print(line.format("", "of bare", "", "half load", "half load", "", ""))
    for row in rows:
        added = [f"{row[name]:+.0f} us" if name in row else "" for name in ("p50_us", "p99_us")]
        rate = f"{row['per_second']:,}"
        cpu = f"{row['added_cpu_us']:+.1f} us"
        print(line.format(row["name"], f"{row['throughput_ratio']:.2f}", cpu, *added, rate, f"{row['busy']:.0%}"))
    for bare in bares:
        per = EVENTS if bare.stream else 1
        rate, cpu = f"{statistics.median(bare.rates) * per:,.0f}", f"({statistics.median(bare.cpu) / per:.1f} us)"
        print(line.format(bare.name, "1.00", cpu, "", "", rate, f"{statistics.median(bare.busy):.0%}"))
    if any(row["name"] == "cache_hit" for row in rows):
        print("\ncache_hit is compared with direct: an answer that Envoy gives by itself")
    print("\nstreams count events of 40 bytes of text; the others, requests")
    for name, one in memory.items():
        print(f"{name}: {one['worker_mib']:+.1f} MiB of memory a worker at rest, {one['process_mib']:+.1f} MiB the whole process")
    if size:
        print(f"sluice.wasm: {size / 2**20:.2f} MiB")
    if any(statistics.median(bare.busy) < 0.95 for bare in bares):
        print("note: bare Envoy was not at its limit, the load was: its true throughput is higher, the CPU figures hold")


def main():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, under three minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--only", metavar="ROW,...", help="of " + ", ".join(row.name for row in ROWS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one measurement")
    parser.add_argument("--envoy", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 5)
    wanted = options.only.split(",") if options.only else [row.name for row in ROWS]
    if unknown := set(wanted) - {row.name for row in ROWS}:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    rows = [row for row in ROWS if row.name in wanted]
    bares = [bare for bare in (BARE, BARE_STREAM, DIRECT) if any(base_of(row) is bare for row in rows)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    with tempfile.TemporaryDirectory(prefix="sluice-bench.") as scratch, contextlib.ExitStack() as stack:
        bench = Bench(options, Path(scratch), stack)
        bench.start_upstream()
        bench.start_proxy("bare")
        names = ["bare"]
        if DIRECT in bares:
            bench.start_proxy(DIRECT.envoy)
        if any(row.envoy == "floor" for row in rows):
            bench.start_proxy("floor", FLOOR)
            names.append("floor")
        for name in ("sluice", "limited"):
            if any(row.envoy == name for row in rows):
                bench.start_sluice(name)
                names.append(name)
        time.sleep(1)
        memory = bench.memory(names)
        for row in [*bares, *rows]:
            bench.load(row, 1)  # V8 compiles the filter better once it is warm
        for number in range(options.rounds):
            print(f"\rround {number + 1} of {options.rounds}", end="", file=sys.stderr, flush=True)
            for row in [*bares, *rows]:
                bench.saturate(row)
            for row in rows:
                if not row.stream:
                    bench.half_load(row)
        print("\r" + " " * 20 + "\r", end="", file=sys.stderr, flush=True)

    results = [figures(row, base_of(row)) for row in rows]
    by_name = {row.name: row for row in rows}
    if {"same_dialect", "limited"} <= by_name.keys():
        pairs = list(zip(by_name["limited"].cpu, by_name["same_dialect"].cpu))
        checks = statistics.median(limited / same for limited, same in pairs)
        added = statistics.median(limited - same for limited, same in pairs)
        print(f"4 limits and 2 budgets: {checks:.2f} of the CPU of the same request without ({added:+.1f} us)\n")
    size = WASM.stat().st_size if {"sluice", "limited"} & set(names) else None
    table(results, bares, memory, size)
    if options.json:
        document = {"rows": results, "memory": memory, "wasm_bytes": size, "rounds": options.rounds, "seconds": options.seconds}
        options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
