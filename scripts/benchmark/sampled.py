"""Profiles the CPU time of one row by function: Linux' perf samples Envoy under full load. Not for results, and not in CI.

V8 exports the names of compiled functions with a flag that Envoy cannot set. The profile therefore uses a copy of Envoy in the cache
with a patched string of V8 flags: `--perf-basic-prof` replaces the stack trace limit, at the same length. The module is built with
function names. All else equals the measured setup. Envoy's binary has no symbols, but perf can walk its stacks, so the report
attributes Envoy's work in host calls to the module's calling function."""

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
HERTZ, LINES = 1997, 40


def edited(envoy):
    """A copy of Envoy whose V8 writes the names of compiled functions to /tmp/perf-PID.map."""
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
    """Exits if perf is not installed, or has no permission."""
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
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-g", "-F", HERTZ, "-p", process.pid, "-o", out]
    recorder = subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {stage.load_core}),
    )
    before = cpu_seconds(process.pid)
    result = stage.load(row, seconds)
    used = cpu_seconds(process.pid) - before
    recorder.terminate()
    recorder.wait()
    if row.server not in ("bare", "direct") and not (names.exists() and "turbofan" in names.read_text(errors="replace")):
        sys.exit(f"bench: V8 wrote no names to {names}")
    show(row, stacks(out), used / result["requests"] * 1e6 / row.per)


def stacks(file):
    """The sampled stacks, innermost function first: each function's location, name, and address."""
    done = subprocess.run(["perf", "script", "-i", file, "-F", "ip,sym,dso"], capture_output=True, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"bench: perf cannot read what it recorded:\n{done.stderr[-1500:]}")
    found, stack = [], []
    for line in [*done.stdout.splitlines(), ""]:
        if match := re.fullmatch(r"\s*([0-9a-f]+) (.*) \((.*)\)\s*", line):
            stack.append((place(match[3]), plain(match[2]), match[1]))
        elif not line.strip() and stack:
            found.append(stack)
            stack = []
    return found


def place(dso):
    if "perf-" in dso or dso.startswith("[JIT]"):
        return "module"
    if "kernel" in dso or dso.startswith("[guest"):
        return "kernel"
    return Path(dso).name


def plain(symbol):
    """A function's name without V8's decorations."""
    symbol = re.sub(r"\+0x[0-9a-f]+$", "", symbol)
    if symbol.startswith("JS:"):
        symbol = re.sub(r"-[0-9]+-(turbofan|liftoff)$", "", symbol.removeprefix("JS:").lstrip("*^~"))
    return symbol


def readable(names):
    """Demangles Rust names, if binutils are installed."""
    if not shutil.which("c++filt"):
        return {name: name for name in names}
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return {name: re.sub(r"::h[0-9a-f]{16}$|\[[0-9a-f]{13,16}\]", "", plain) for name, plain in zip(names, done.stdout.splitlines())}


def doors(found):
    """The return addresses of the three Envoy functions around each call into the module."""
    addresses = set()
    for stack in found:
        inside = [index for index, (where, *_) in enumerate(stack) if where == "module"]
        if inside:
            addresses.update(address for _, _, address in stack[inside[-1] + 2 : inside[-1] + 5])
    return addresses


def show(row, found, microseconds):
    if not found:
        sys.exit("bench: perf found nothing at work")
    around = doors(found)
    places, own, hosted, within = Counter(), Counter(), Counter(), Counter()
    for stack in found:
        where, symbol, _ = stack[0]
        inside = [symbol for where, symbol, _ in stack if where == "module"]
        # V8's stubs between the module and its host have no name, or a name with `Stub:`.
        named = [symbol for symbol in inside if not symbol.startswith(("[unknown]", "Stub:"))]
        within.update(set(named))
        if where == "module":
            places["the module"] += 1
            own[symbol] += 1
        elif inside:
            places[f"{where}, called by the module"] += 1
            hosted[named[0] if named else inside[0]] += 1
        elif any(address in around for _, _, address in stack):
            places[f"{where}, around calls of the module"] += 1
        else:
            places[where] += 1
    per = "an event" if row.stream else "a request"
    print(f"{row.name}: {microseconds:.1f} us of CPU {per}, by {len(found):,} samples; being watched costs a little, too")

    def section(title, counts, lines):
        print(f"\n{title}")
        most = counts.most_common(lines)
        names = readable([name for name, _ in most])
        for name, count in most:
            print(f"{count / len(found):>7.1%} {count / len(found) * microseconds:>9.2f} us  {names[name][:120]}")

    section("where", places, 12)
    section("functions of the module, without what they call", own, LINES)
    section("host calls, by the function that made them", hosted, LINES)
    section("functions of the module, with all they call", within, LINES)
