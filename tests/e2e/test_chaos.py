"""Random kill -9 and freezes of every process while several jobs run on two nodes. Whatever happens,
each job succeeds exactly once, its metrics have no gap or double, and its adapter is the one of an
undisturbed run, bit for bit.

LATHE_CHAOS_ROUNDS sets the number of rounds, LATHE_CHAOS_SEED repeats the faults of a failed run (their
timing against the processes is never quite the same), LATHE_CHAOS_KEEP keeps the cluster's folder.
"""
import os
import random
import signal
import time
import unittest

from cluster import Cluster, tiny_configuration, wait_until, write_tokenized

STEPS = 600
JOBS = 3
NODES = ("worker-1", "worker-2")
LEASE, GRACE = 2.0, 1.0
ROUNDS = int(os.environ.get("LATHE_CHAOS_ROUNDS", "12"))
SEED = int(os.environ.get("LATHE_CHAOS_SEED", random.randrange(10**6)))

# What may happen in a round, and how often in relation to the others.
FAULTS = {"kill_trainer": 4, "kill_worker": 3, "kill_node": 2, "kill_coordinator": 3, "kill_redis": 2,
          "freeze_trainer": 1, "freeze_worker": 2, "freeze_node": 2, "freeze_coordinator": 1,
          "freeze_redis": 1}


def send(pids: list[int], how: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            pass


class Chaos:
    """Does harm and makes good again. What was broken and stays so for a while is in `broken`."""

    def __init__(self, cluster: Cluster, chance: random.Random):
        self.cluster = cluster
        self.chance = chance
        self.history: list[str] = []
        self.dead: set[str] = set()
        self.frozen: list[int] = []

    def round(self) -> None:
        names = list(FAULTS)
        count = self.chance.choice((1, 1, 2))
        for name in self.chance.choices(names, list(FAULTS.values()), k=count):
            # Drawn whether used or not, so that a seed means the same faults again.
            node = self.chance.choice(NODES)
            self.history.append(f"{name} {node}")
            getattr(self, name.split("_")[0])(name.split("_")[1], node)
            time.sleep(self.chance.uniform(0, 0.5))
        # Shorter and longer than the lease.
        freeze = bool(self.frozen)
        time.sleep(self.chance.uniform(0.1, 1) + (self.chance.choice((0, LEASE + GRACE + 1))
                                                  if freeze or self.dead else 0))
        self.heal()

    def kill(self, what: str, node: str) -> None:
        if what == "trainer":
            return send(self.cluster.trainers(node), signal.SIGKILL)
        name = node if what in ("worker", "node") else what
        if name not in self.dead:
            self.dead.add(name)
            self.cluster.kill(name)
        if what == "node":
            send(self.cluster.trainers(node), signal.SIGKILL)

    def freeze(self, what: str, node: str) -> None:
        pids = []
        if what in ("trainer", "node"):
            pids += self.cluster.trainers(node)
        name = node if what in ("worker", "node") else what
        if name in self.cluster.processes:
            pids.append(self.cluster.processes[name].pid)
        send(pids, signal.SIGSTOP)
        self.frozen += pids

    def heal(self) -> None:
        send(self.frozen, signal.SIGCONT)
        self.frozen.clear()
        if "redis" in self.dead:
            self.cluster.start_redis()
        if "coordinator" in self.dead:
            self.cluster.start_coordinator()
        for node in NODES:
            if node in self.dead:
                self.cluster.start_worker(node, cpu_slots=2)
        self.dead.clear()
        for name, process in self.cluster.processes.items():
            assert process.poll() is None, f"{name} gave up: {self.cluster.log(name)}"


class ChaosTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(LEASE, GRACE, max_attempts=1000)
        self.addCleanup(lambda: self.cluster.close(keep="LATHE_CHAOS_KEEP" in os.environ))
        for node in NODES:
            self.cluster.start_worker(node, cpu_slots=2)
        self.dataset = write_tokenized(self.cluster.folder / "train.jsonl")
        self.chaos = Chaos(self.cluster, random.Random(SEED))

    def submit(self) -> str:
        configuration = tiny_configuration(STEPS, evaluations=6)
        configuration["datasets"]["trainSplit"] = 0.9
        return self.cluster.submit(configuration, self.dataset)

    def outcome(self, job: str) -> tuple[list[float], list[tuple], bytes]:
        """Losses, evaluations and adapter: the same for every run of the job."""
        metrics = self.cluster.metrics(job)
        self.assertEqual([m["step"] for m in metrics], list(range(1, STEPS + 1)), job)
        evaluations = self.cluster.lathe_json("metrics", job, "--evaluations")
        return ([m["loss"] for m in metrics], [(e["step"], e["loss"]) for e in evaluations],
                self.cluster.adapter_bytes(job))

    def verify(self, job: str) -> None:
        state = self.cluster.wait_for_end(job, 120)
        self.assertEqual(state, "succeeded", self.cluster.job(job))
        for given, expected in zip(self.outcome(job), self.expected):
            self.assertEqual(given, expected, job)
        ends = [e for e in self.cluster.events(job)
                if e["fields"].get("state") == "succeeded"]
        self.assertEqual(len(ends), 1, job)
        wait_until(lambda: not self.cluster.trainers(job), 30, f"no trainer of {job} is left")

    def run_rounds(self) -> None:
        undisturbed = self.submit()
        self.assertEqual(self.cluster.wait_for_end(undisturbed), "succeeded")
        self.expected = self.outcome(undisturbed)
        self.assertEqual(len(self.expected[1]), 6)
        jobs = [self.submit() for _ in range(JOBS)]
        for number in range(ROUNDS):
            started = time.monotonic()
            self.chaos.history.append(f"-- round {number}")
            self.chaos.round()
            for job in [j for j in jobs if self.cluster.state(j) == "succeeded"]:
                self.verify(job)
                jobs.remove(job)
                jobs.append(self.submit())
            self.chaos.history.append(f"   {time.monotonic() - started:.1f} s")
        for job in jobs:
            self.verify(job)

    def test_jobs_survive_anything(self):
        try:
            self.run_rounds()
        except Exception as error:
            raise AssertionError(f"LATHE_CHAOS_SEED={SEED} in {self.cluster.folder}: {error}\n" +
                                 "\n".join(self.chaos.history)) from error


if __name__ == "__main__":
    unittest.main(verbosity=2)
