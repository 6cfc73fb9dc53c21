#!/usr/bin/env python3
"""How fast the control plane is, with real processes on this machine:

    LATHE_SOURCE_DIR=. LATHE_BINARY_DIR=build/release/bin tests/bench/control_plane.py [JOBS]

Durable submissions a second through gRPC and what one costs each process, the time a coordinator takes
to be back with those jobs, and the time from a submission to its trainer's start on an idle cluster.
Build the program `submit_rate` before. Prints one line of JSON a figure.
"""
import datetime
import hashlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from cluster import BINARIES, Cluster, tiny_configuration, write_tokenized  # noqa: E402

JOBS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
SUBMIT_RATE = BINARIES.parent / "tests/submit_rate"
LATENCY_JOBS = 60


def tell(name: str, **figures) -> None:
    print(json.dumps({"figure": name, "cores": os.cpu_count(), **figures}), flush=True)


def cpu_seconds(cluster: Cluster) -> dict[str, float]:
    """What each process has used; the client is every child that has ended."""
    used = {}
    for name in ("coordinator", "redis"):
        stat = pathlib.Path(f"/proc/{cluster.processes[name].pid}/stat").read_text()
        user, system = stat.rsplit(")", 1)[1].split()[11:13]
        used[name] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used["client"] = ended.ru_utime + ended.ru_stime
    return used


def submissions(cluster: Cluster, dataset: str, count: int, connections: int, in_flight: int,
                *brief: str) -> None:
    before = cpu_seconds(cluster)
    answer = subprocess.run([str(SUBMIT_RATE), cluster.address, dataset, str(count),
                             str(connections), str(in_flight), *brief],
                            check=True, capture_output=True, text=True)
    after = cpu_seconds(cluster)
    micros = {name: round(1e6 * (after[name] - before[name]) / count) for name in after}
    tell("submissions", connections=connections, inFlight=in_flight, brief=bool(brief),
         **json.loads(answer.stdout), cpuMicrosEach=micros)


def submissions_and_restart() -> None:
    cluster = Cluster(lease_seconds=10, lease_grace_seconds=5)
    try:
        # A node knows the model and has no room, so that the jobs stay where they are.
        cluster.start_worker("worker-1", cpu_slots=0)
        dataset = write_tokenized(cluster.folder / "train.jsonl")
        cluster.submit(tiny_configuration(1), dataset)
        name = "sha256:" + hashlib.sha256(dataset.read_bytes()).hexdigest()
        submissions(cluster, name, JOBS // 10, 1, 1)
        submissions(cluster, name, JOBS // 10, 1, 64)
        submissions(cluster, name, JOBS, 8, 64)
        submissions(cluster, name, JOBS, 8, 64, "brief")
        cluster.kill("coordinator")
        begin = time.monotonic()
        cluster.start_coordinator()
        tell("restart", jobs=2 * JOBS + JOBS // 5 + 1, seconds=round(time.monotonic() - begin, 3))
    finally:
        cluster.close()


def seconds_between(begin: str, end: str) -> float:
    parse = datetime.datetime.fromisoformat
    return (parse(end.replace("Z", "+00:00")) - parse(begin.replace("Z", "+00:00"))).total_seconds()


def submit_to_start() -> None:
    cluster = Cluster()
    try:
        cluster.start_worker("worker-1")
        dataset = write_tokenized(cluster.folder / "train.jsonl")
        times = []
        for _ in range(LATENCY_JOBS):
            job = cluster.submit(tiny_configuration(1), dataset)
            assert cluster.wait_for_end(job) == "succeeded"
            record = cluster.job(job)
            times.append(1000 * seconds_between(record["createTime"], record["startTime"]))
        times.sort()
        tell("submit_to_trainer_started", jobs=LATENCY_JOBS, p50Ms=round(times[len(times) // 2], 1),
             p99Ms=round(times[-1], 1))
    finally:
        cluster.close()


if __name__ == "__main__":
    submissions_and_restart()
    submit_to_start()
