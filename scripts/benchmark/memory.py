"""Measures resident memory: at rest with 1, 2 and 8 workers; per idle stream; and after prompts of 30 MiB, because a VM's memory
never shrinks. Each result comes from a separate process."""

import contextlib
import resource
import selectors
import socket
import sys
import time

from processes import resident_mib
from rows import IDLE_MODEL, MIB, Row, of_builds

WORKERS = (1, 2, 8)
REST = 1  # second, to finish work after a start or a burst
PROMPT = 30 * MIB
DRESSED = Row("dressed_floor", "dressed_floor", "bench")
# The first streams reuse memory that V8's compilation freed at the start, so they are not measured.
FIRST, BATCH = 1000, 200


def at_rest(stage, servers, progress):
    results = []
    for server in servers:
        sizes = {}
        for workers in WORKERS:
            progress(f"memory of {server} with {workers} workers")
            process, *_ = stage.run(server, workers)
            time.sleep(REST)
            sizes[workers] = round(resident_mib(process.pid), 1)
            stage.drop(process)
        results.append({"name": server, **{f"workers_{workers}_mib": size for workers, size in sizes.items()}})
    return results


class Streams:
    """Open streams that have sent their first event and are now idle."""

    def __init__(self, stage, row, port):
        self.request, self.address, self.open = stage.request(row, port), ("127.0.0.1", port), []

    def add(self, count):
        """Opens more streams, in batches: the simulator's accept queue is short, and further connections would wait."""
        for begun in range(0, count, BATCH):
            self.open_and_wait(min(BATCH, count - begun))

    def open_and_wait(self, count):
        selector, started = selectors.DefaultSelector(), {}
        for _ in range(count):
            one = socket.create_connection(self.address, 10)
            one.sendall(self.request)
            self.open.append(one)
            selector.register(one, selectors.EVENT_READ)
            started[one] = b""
        deadline = time.monotonic() + 60
        while started:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                sys.exit(f"bench: {len(started)} of {count} idle streams said nothing")
            for key, _ in ready:
                one = key.fileobj
                more = one.recv(1 << 16)
                started[one] += more
                if not more or not started[one].startswith(b"HTTP/1.1 200"):
                    sys.exit(f"bench: an idle stream ended: {started[one][:300]!r}")
                # The opening events and one event of text.
                if b"xxxx" in started[one]:
                    selector.unregister(one)
                    del started[one]
        selector.close()

    def close(self):
        for one in self.open:
            one.close()


def idle_streams(stage, rows, count, progress):
    """The memory of one stream: the growth by `count` streams, divided."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < (needed := 2 * (FIRST + count) + 1000):
        sys.exit(f"bench: {count} idle streams take {needed} open files, and {allowed} are allowed here")
    results = []
    for row in rows:
        progress(f"{count} idle streams: {row.name}")
        # The previous server's connections block ports to the old simulator for a minute (TIME_WAIT).
        stage.start_simulator()
        process, port, *_ = stage.run(row.server)
        with contextlib.ExitStack() as closing:
            streams = Streams(stage, row, port)
            closing.callback(streams.close)
            streams.add(FIRST)
            time.sleep(REST)
            before = resident_mib(process.pid)
            streams.add(count)
            time.sleep(REST)
            after = resident_mib(process.pid)
        stage.drop(process)
        results.append({"name": row.name, "streams": count, "kib_a_stream": round((after - before) * 1024 / count, 1)})
    return results


def large_prompt(stage, rows, progress):
    """The growth of resident memory after one prompt of 30 MiB, and after four."""
    results = []
    for row in rows:
        progress(f"a prompt of 30 MiB: {row.name}")
        process, port, *_ = stage.run(row.server)
        request = stage.request(row, port)
        small = stage.request(Row(row.name, row.server, row.model), port)
        for _ in range(20):
            ask(port, small)
        time.sleep(REST)
        sizes = [resident_mib(process.pid)]
        for times in (1, 3):
            for _ in range(times):
                ask(port, request)
            time.sleep(REST)
            sizes.append(resident_mib(process.pid))
        stage.drop(process)
        once, four = (round(size - sizes[0], 1) for size in sizes[1:])
        results.append({"name": row.name, "after_one_mib": once, "after_four_mib": four})
    return results


def ask(port, request):
    """Sends one request on a new connection."""
    with socket.create_connection(("127.0.0.1", port), 60) as one:
        one.sendall(request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
        answer = b""
        while more := one.recv(1 << 16):
            answer += more
    if not answer.startswith(b"HTTP/1.1 200"):
        sys.exit(f"bench: a prompt of {len(request):,} bytes got {answer[:300]!r}")


def measure(stage, builds, count, progress):
    idle = [
        Row("bare", "bare", IDLE_MODEL, stream=True),
        Row("floor", "floor", IDLE_MODEL, stream=True),
        Row("same_dialect", "sluice", "idle_same", stream=True),
        Row("translated", "sluice", "idle_translated", stream=True),
    ]
    large = [
        Row("bare", "bare", "bench", prompt=PROMPT),
        Row("floor", "floor", "bench", prompt=PROMPT),
        Row("same_dialect", "sluice", "same", prompt=PROMPT),
        Row("translated", "sluice", "translated", prompt=PROMPT),
        Row("guarded", "guarded", "same", prompt=PROMPT),
    ]
    return {
        "at_rest": at_rest(stage, list(dict.fromkeys(row.server for row in [*of_builds(idle, builds), DRESSED])), progress),
        "idle_streams": idle_streams(stage, of_builds(idle, builds), count, progress),
        "large_prompt": large_prompt(stage, of_builds(large, builds), progress),
    }


def show(results):
    print("\nresident memory at rest, by workers")
    line = "{:<22}" + "{:>12}" * 4
    print(line.format("", *WORKERS, "a worker"))
    for one in results["at_rest"]:
        sizes = [one[f"workers_{workers}_mib"] for workers in WORKERS]
        each = (sizes[-1] - sizes[0]) / (WORKERS[-1] - WORKERS[0])
        print(line.format(one["name"], *(f"{size:,.1f} MiB" for size in sizes), f"{each:+.1f} MiB"))
    print(f"\n{results['idle_streams'][0]['streams']} streams that are open and silent, each")
    for one in results["idle_streams"]:
        print(f"{one['name']:<22}{one['kib_a_stream']:>8,.1f} KiB")
    print("\nwhat prompts of 30 MiB leave behind, with one worker")
    print(f"{'':<22}{'after one':>12}{'after four':>12}")
    for one in results["large_prompt"]:
        print(f"{one['name']:<22}{one['after_one_mib']:>+8.1f} MiB{one['after_four_mib']:>+8.1f} MiB")
