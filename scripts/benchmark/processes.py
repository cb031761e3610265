"""Starts the measured processes on a core of their own, stops them by id, and reads their CPU time and memory from /proc."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
HELD = []


def reserve():
    """Reserves a port: a socket stays bound to it, so the system assigns it to no other process. A server that names it can still listen."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
    HELD.append(one)
    return one.getsockname()[1]


def start(stack, command, core, port, log, environment=None, folder=None):
    """Starts a command on a core, in a folder, and waits until it listens. Returns the process and the time in seconds."""
    began = time.monotonic()
    with open(log, "wb") as errors:
        # The server writes its access log, as in production, but to /dev/null.
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            env={**os.environ, "BENCH_PROVIDER_KEY": "sk-bench", **(environment or {})}, cwd=folder,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    stack.callback(stop, process)
    while time.monotonic() - began < 180 and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process, time.monotonic() - began
        time.sleep(0.005)
    sys.exit(f"bench: {command[0]} did not start:\n" + Path(log).read_text(errors="replace")[-3000:])


def stop(process):
    if process.poll() is not None:
        return
    children = family(process.pid)[1:]
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:  # some servers leave their workers running
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)


def family(pid):
    """A process and its descendants."""
    found = [pid]
    for one in found:
        for thread in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in thread.read_text().split()]
    return found


def cpu_seconds(pid):
    """The CPU time of a process and its descendants."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mib(pid):
    """The resident memory of a process and its descendants; shared memory counts for each of them."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total / 1024
