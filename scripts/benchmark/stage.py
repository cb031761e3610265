"""Runs the simulator, the servers and the load generator, each on its core."""

import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

import peers
from processes import cpu_seconds, reserve, start, stop
from rows import BASES, SECRET
from servers import GATEWAYS, gateway, proxy, undressed

CONNECTIONS = 32
WASM, NATIVE, FLOOR = Path("target/sluice.wasm"), Path("target/libsluice.so"), Path("target/floor.wasm")


class Stage:
    def __init__(self, options, scratch, stack):
        self.options, self.scratch, self.stack = options, scratch, stack
        self.envoy, self.wasm = options.envoy, WASM
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            sys.exit("bench: two cores are needed, one for Envoy and one for the load")
        self.core, self.load_core = cores[:2]
        self.ports, self.processes, self.bases = {}, {}, {row.name: row for row in BASES}
        self.start_simulator()

    def start_simulator(self):
        """Starts a simulator for all later servers."""
        self.simulator = reserve()
        command = ["target/release/simulator", "--port", self.simulator, "--quiet"]
        start(self.stack, command, self.load_core, self.simulator, self.scratch / f"simulator-{self.simulator}.log")

    def redis(self):
        """Starts Redis, which writes nothing to the disk, and Webdis. Returns Webdis's port."""
        if "redis" not in self.ports:
            redis, webdis = reserve(), reserve()
            command = ["redis-server", "--port", redis, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            start(self.stack, command, self.load_core, redis, self.scratch / "redis.log", folder=self.scratch)
            file = self.scratch / "webdis.json"
            options = {"redis_host": "127.0.0.1", "redis_port": redis, "http_host": "127.0.0.1", "http_port": webdis, "threads": 2,
                       "pool_size": 16, "daemonize": False, "websockets": False, "verbosity": 1, "logfile": str(self.scratch / "webdis.log")}
            file.write_text(json.dumps(options))
            start(self.stack, ["webdis", file], self.load_core, webdis, self.scratch / "webdis.errors", folder=self.scratch)
            self.ports["redis"] = webdis
        return self.ports["redis"]

    def serve(self, server, workers=1):
        """Starts a server and keeps it for rows. Returns the wall clock and CPU time until it listened."""
        process, port, wall, cpu = self.run(server, workers)
        self.processes[server], self.ports[server] = process, port
        return wall, cpu

    def run(self, server, workers=1):
        """Starts a server. Returns the process, the port, and the seconds of wall clock and CPU until it listened."""
        port = reserve()
        name = f"{server}-{port}"
        folder = None
        if server in peers.PEERS:
            command, environment = peers.command(server, port, self.simulator, self.scratch / name)
        else:
            folder = self.scratch  # V8 writes logs to the working directory
            config, environment = self.configuration(server, port, name, workers), {"SLUICE_CACHE_KEY": "b" * 32}
            if server.endswith("@native"):
                environment |= {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": NATIVE.parent.resolve()}
            command = [self.envoy, "-c", config, "--concurrency", workers, "--disable-hot-restart", "-l", "error"]
        process, wall = start(self.stack, command, self.core, port, self.scratch / f"{name}.log", environment, folder)
        return process, port, wall, cpu_seconds(process.pid)

    def configuration(self, server, port, name, workers):
        server, _, build = server.partition("@")
        if server not in (*GATEWAYS, "dressed_floor"):
            file = self.scratch / f"{name}.json"
            file.write_text(json.dumps(proxy(port, self.simulator, FLOOR if server == "floor" else None, server == "direct")))
            return file
        out, file = self.scratch / name, self.scratch / f"{name}.yaml"
        redis = self.redis() if server == "shared" else None
        file.write_text(json.dumps(gateway(server, port, self.simulator, redis)))
        wasm = FLOOR if server == "dressed_floor" else self.wasm
        module = ["--filter", "native", "--native", NATIVE.resolve()] if build == "native" else ["--wasm", wasm.resolve()]
        command = ["target/release/sluice", "render", file, *module, "--out", out]
        command += ["--concurrency", workers, "--admin", f"127.0.0.1:{reserve()}"]
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, env={**os.environ, "BENCH_PROVIDER_KEY": "sk-bench"},
        )
        if done.returncode:
            sys.exit(f"bench: `sluice render` refuses the gateway file of {server}: {done.stderr}")
        bootstrap = out / "envoy.yaml"
        if server == "dressed_floor":
            bootstrap.write_text(undressed(bootstrap.read_text()))
        return bootstrap

    def drop(self, process):
        """Stops a server from `run`."""
        stop(process)

    def request(self, row, port=None):
        """The bytes of one request."""
        body = row.body()
        head = [
            "POST /v1/chat/completions HTTP/1.1", f"host: 127.0.0.1:{port or self.ports[row.server]}",
            f"authorization: Bearer {SECRET}", "user-agent: bench", "accept: application/json",
            "content-type: application/json", f"content-length: {len(body)}", *peers.headers(row.server, self.simulator),
        ]
        return "\r\n".join([*head, "", body]).encode()

    def load(self, row, seconds, rate=0, connections=CONNECTIONS, paced=False, tolerant=False):
        """Puts load on a row's server. An error ends the run; with `tolerant` it is part of the result."""
        file = self.scratch / f"{row.server}-{row.name}.request"
        file.write_bytes(self.request(row))
        address = f"127.0.0.1:{self.ports[row.server]}"
        command = ["target/release/load", address, file, connections, seconds, rate] + ["paced"] * paced
        if row.numbers:
            first = 0 if row.repeats else random.randrange(row.numbers)
            command += [first, row.numbers]
        done = subprocess.run(
            [str(word) for word in command], check=True, stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.load_core}),
        )
        result = json.loads(done.stdout)
        if tolerant:
            return result
        if result["errors"] or not result["requests"]:
            sys.exit(f"bench: {row.name}: {result['error'] or 'no answer'}")
        if row.stream and result["events"] < row.events * result["requests"]:
            sys.exit(f"bench: {row.name}: {result['events'] / result['requests']:.0f} events a stream instead of {row.events}")
        return result

    def saturate(self, row):
        process = self.processes[row.server]
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
        for one in (row, self.bases[row.base]):
            result = self.load(one, self.options.seconds, rate=rate, connections=16)
            pair.append((result["p50_us"], result["p99_us"]))
        row.half.append(tuple(pair))
