"""Where the CPU time of one row goes, by function: Linux' perf samples Envoy under full load. Never for figures, and never in CI.

V8 names what it compiled when it is told to, and Envoy has no way to tell it. So a copy of Envoy in the cache has another text where
its own has the flags for V8: of the same length, with `--perf-basic-prof` in place of the length of stack traces. The module is built
with the names of its functions. Everything else is as it is measured."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from peers import CACHE
from processes import cpu_seconds

NAMED = Path("target/sluice-named.wasm")
FLAGS = b"--no-liftoff --wasm_max_mem_pages=%u --stack-trace-limit=%u"
PROFILED = b"--no-liftoff --wasm_max_mem_pages=%u --perf-basic-prof"
HERTZ, LINES = 1997, 60


def edited(envoy):
    """A copy of Envoy whose V8 writes the names of what it compiles to /tmp/perf-PID.map."""
    source = Path(envoy)
    version = next((part for part in source.parts if part.startswith("envoy-")), "envoy")
    copy = CACHE / f"{version}-profile" / "envoy"
    if copy.exists() and copy.stat().st_mtime >= source.stat().st_mtime:
        return copy
    program = source.read_bytes()
    if program.count(FLAGS) != 1:
        sys.exit(
            f"bench: {source} has the flags of its V8 in {program.count(FLAGS)} places, where one was expected: {FLAGS.decode()}\n"
            "This Envoy cannot be profiled so. `strings -n 20` of it shows whether it has them in another form."
        )
    copy.parent.mkdir(parents=True, exist_ok=True)
    new = copy.with_suffix(f".{os.getpid()}")
    new.write_bytes(program.replace(FLAGS, PROFILED.ljust(len(FLAGS))))
    new.chmod(0o755)
    new.rename(copy)
    return copy


def perf():
    """Refuses where perf is not there, or may not look."""
    if not shutil.which("perf"):
        sys.exit("bench: no perf here: Debian has it in linux-perf")
    tried = subprocess.run(["perf", "record", "-e", "cpu-clock", "-o", "/dev/null", "true"], capture_output=True, text=True)
    if tried.returncode:
        level = Path("/proc/sys/kernel/perf_event_paranoid").read_text().strip()
        sys.exit(f"bench: perf may not sample here (kernel.perf_event_paranoid is {level}):\n{tried.stderr[-1500:]}")


def measure(stage, row):
    perf()
    stage.envoy, stage.wasm = edited(stage.options.envoy), NAMED
    stage.serve(row.server)
    process, seconds = stage.processes[row.server], stage.options.seconds
    names = Path(f"/tmp/perf-{process.pid}.map")
    stage.stack.callback(names.unlink, missing_ok=True)
    stage.load(row, 3)
    out = stage.scratch / "perf.data"
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", HERTZ, "-p", process.pid, "-o", out]
    recorder = subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {stage.load_core}),
    )
    before = cpu_seconds(process.pid)
    result = stage.load(row, seconds)
    used = cpu_seconds(process.pid) - before
    recorder.terminate()
    recorder.wait()
    if row.server not in ("bare", "direct") and not (names.exists() and "wasm" in names.read_text(errors="replace")):
        sys.exit(f"bench: V8 wrote no names to {names}")
    show(row, samples(out), used / result["requests"] * 1e6 / row.per)


def samples(file):
    """How often each function was found at work, by the place that it is in."""
    done = subprocess.run(["perf", "script", "-i", file, "-F", "ip,sym,dso"], capture_output=True, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"bench: perf cannot read what it recorded:\n{done.stderr[-1500:]}")
    found = Counter()
    for line in done.stdout.splitlines():
        if match := re.fullmatch(r"\s*[0-9a-f]+ (.*) \((.*)\)\s*", line):
            found[place(match[2]), plain(match[1])] += 1
    return found


def place(dso):
    if "perf-" in dso or dso.startswith("[JIT]"):
        return "module"
    if "kernel" in dso or dso.startswith("[guest"):
        return "kernel"
    return Path(dso).name


def plain(symbol):
    """A function's name without what V8 puts around it."""
    symbol = re.sub(r"\+0x[0-9a-f]+$", "", symbol)
    symbol = re.sub(r"^(JS|wasm|Function|Builtin)[:^*~]*", "", symbol)
    return re.sub(r"::h[0-9a-f]{16}", "", symbol)


def show(row, found, microseconds):
    total = sum(found.values())
    if not total:
        sys.exit("bench: perf found nothing at work")
    per = "event" if row.stream else "request"
    print(f"{row.name}: {microseconds:.1f} us of CPU a {per}, {total:,} samples; with names written, a little more than without\n")
    places = Counter()
    for (where, _), count in found.items():
        places[where] += count
    for where, count in places.most_common(8):
        print(f"{count / total:>7.1%} {count / total * microseconds:>9.2f} us  {where}")
    print()
    for (where, symbol), count in found.most_common(LINES):
        print(f"{count / total:>7.1%} {count / total * microseconds:>9.2f} us  {where:<12} {symbol[:110]}")
