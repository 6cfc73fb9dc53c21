"""Each daemon and the trainer are killed in mid-run: the job goes on by itself, ends once, its metrics
have no gap or double, and the adapter is the one of an undisturbed run, bit for bit. Redis and the
coordinator are killed amid hundreds of submissions: none that was acknowledged is lost."""
import hashlib
import json
import os
import signal
import subprocess
import unittest

from cluster import BINARIES, Cluster, tiny_configuration, wait_until, write_tokenized
from undisturbed import UndisturbedResultTest

STEPS = 400


class FaultTest(UndisturbedResultTest):
    steps = STEPS
    configuration = tiny_configuration(STEPS)

    def test_trainer_killed(self):
        job = self.started()
        for pid in self.cluster.trainers(job):
            os.kill(pid, signal.SIGKILL)
        self.expect_undisturbed_result(job)
        self.assertEqual(self.cluster.job(job)["attempt"], 2)

    def test_trainer_killed_twice(self):
        job = self.started()
        for step in (35, 120):
            self.cluster.wait_for_step(job, step)
            for pid in wait_until(lambda: self.cluster.trainers(job), 30, "a trainer runs"):
                os.kill(pid, signal.SIGKILL)
        self.expect_undisturbed_result(job)

    def test_worker_killed_and_restarted_adopts_the_trainer(self):
        job = self.started()
        before = self.cluster.trainers(job)
        self.assertEqual(len(before), 1)
        self.cluster.kill("worker-1")
        self.assertEqual(self.cluster.trainers(job), before, "the trainer outlives its worker")
        self.cluster.start_worker("worker-1")
        self.expect_undisturbed_result(job)
        self.assertEqual(self.cluster.job(job)["attempt"], 1, "an adopted trainer loses no step")

    def test_coordinator_killed_and_restarted(self):
        job = self.started()
        before = self.cluster.trainers(job)
        self.cluster.kill("coordinator")
        self.cluster.start_coordinator()
        self.expect_undisturbed_result(job)
        self.assertEqual(self.cluster.job(job)["attempt"], 1)
        self.assertEqual(len(before), 1)

    def test_redis_killed_and_restarted(self):
        job = self.started()
        self.cluster.kill("redis")
        self.cluster.start_redis()
        if self.cluster.processes["coordinator"].poll() is not None:
            self.fail("the coordinator gave up: " + self.cluster.log("coordinator"))
        self.expect_undisturbed_result(job)

    def test_all_at_once(self):
        job = self.started()
        for pid in self.cluster.trainers(job):
            os.kill(pid, signal.SIGKILL)
        self.cluster.kill("worker-1")
        self.cluster.kill("coordinator")
        self.cluster.start_coordinator()
        self.cluster.start_worker("worker-1")
        self.expect_undisturbed_result(job)


class NodeLossTest(unittest.TestCase):
    def test_a_job_moves_to_another_node_with_its_checkpoint(self):
        cluster = Cluster()
        self.addCleanup(cluster.close)
        cluster.start_worker("worker-1")
        job = cluster.submit(tiny_configuration(STEPS), write_tokenized(cluster.folder / "t.jsonl"))
        cluster.wait_for_step(job, 60)
        wait_until(lambda: int(cluster.job(job).get("checkpointStep", 0)) > 0, 20,
                   "a checkpoint is stored away from the node")
        trainers = cluster.trainers(job)
        cluster.kill("worker-1")
        for pid in trainers:
            os.kill(pid, signal.SIGKILL)
        cluster.start_worker("worker-2")
        self.assertEqual(cluster.wait_for_end(job), "succeeded", cluster.job(job))
        self.assertEqual(cluster.job(job)["nodeId"], "worker-2")
        self.assertEqual([m["step"] for m in cluster.metrics(job)], list(range(1, STEPS + 1)))


class SubmissionsTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start_worker("worker-1", cpu_slots=0)
        dataset = write_tokenized(self.cluster.folder / "t.jsonl")
        self.cluster.submit(tiny_configuration(1), dataset)
        name = "sha256:" + hashlib.sha256(dataset.read_bytes()).hexdigest()
        self.client = subprocess.Popen(
            [str(BINARIES.parent / "tests/submit_rate"), self.cluster.address, name, "8000", "8", "64"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.client.wait)
        self.addCleanup(self.client.kill)
        wait_until(lambda: self.stored() > 500, 30, "submissions are stored")

    def stored(self) -> int:
        return int(self.cluster.redis("HLEN", "lathe:jobs"))

    def kill(self, *names: str) -> None:
        for name in names:
            self.cluster.kill(name)
        self.assertIsNone(self.client.poll(), "killed amid submissions")

    def expect_none_lost(self):
        answer = json.loads(self.client.communicate(timeout=300)[0])
        self.assertGreaterEqual(self.stored() - 1, answer["jobs"] - answer["failed"])
        jobs = self.cluster.lathe_json("list", "--limit", "1000")
        self.assertGreater(len(jobs), 500, "what is stored can be read")

    def test_coordinator_killed(self):
        self.kill("coordinator")
        self.cluster.start_coordinator()
        self.expect_none_lost()

    def test_redis_killed(self):
        self.kill("redis")
        self.cluster.start_redis()
        self.expect_none_lost()

    def test_both_killed(self):
        self.kill("redis", "coordinator")
        self.cluster.start_redis()
        self.cluster.start_coordinator()
        self.expect_none_lost()


if __name__ == "__main__":
    unittest.main(verbosity=2)
