"""Measures the time until a server listens, on one core: wall clock and CPU. V8 compiles the module in that time."""

import statistics


def measure(stage, servers, progress):
    times = {server: [] for server in servers}
    for number in range(stage.options.rounds):
        progress(f"start-up, round {number + 1} of {stage.options.rounds}")
        for server in servers:
            process, _, wall, cpu = stage.run(server)
            stage.drop(process)
            times[server].append((wall, cpu))
    return [
        {"name": server, "wall_s": round(statistics.median(walls), 3), "cpu_s": round(statistics.median(cpus), 3)}
        for server, (walls, cpus) in ((server, zip(*one)) for server, one in times.items())
    ]


def show(results):
    print("\nuntil it listens, on one core")
    line = "{:<22}{:>12}{:>12}"
    print(line.format("", "wall clock", "CPU"))
    for one in results:
        print(line.format(one["name"], f"{one['wall_s']:.2f} s", f"{one['cpu_s']:.2f} s"))
