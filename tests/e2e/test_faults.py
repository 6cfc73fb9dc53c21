"""Each daemon and the trainer are killed in mid-run: the job goes on by itself, ends once, its metrics
have no gap or double, and the adapter is the one of an undisturbed run, bit for bit."""
import os
import signal
import unittest

from cluster import Cluster, tiny_configuration, wait_until, write_tokenized

STEPS = 400


class FaultTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.cluster.start_worker("worker-1")
        cls.dataset = write_tokenized(cls.cluster.folder / "train.jsonl")
        undisturbed = cls.submit()
        assert cls.cluster.wait_for_end(undisturbed) == "succeeded", cls.cluster.job(undisturbed)
        cls.expected_adapter = cls.cluster.adapter_bytes(undisturbed)
        cls.expected_losses = [m["loss"] for m in cls.cluster.metrics(undisturbed)]
        assert len(cls.expected_losses) == STEPS

    @classmethod
    def submit(cls) -> str:
        return cls.cluster.submit(tiny_configuration(STEPS), cls.dataset)

    def started(self) -> str:
        """A job well under way, with checkpoints behind it and steps after the last one."""
        job = self.submit()
        self.cluster.wait_for_step(job, 35)
        return job

    def expect_undisturbed_result(self, job: str) -> None:
        self.assertEqual(self.cluster.wait_for_end(job), "succeeded", self.cluster.job(job))
        metrics = self.cluster.metrics(job)
        self.assertEqual([m["step"] for m in metrics], list(range(1, STEPS + 1)))
        self.assertEqual([m["loss"] for m in metrics], self.expected_losses)
        self.assertEqual(self.cluster.adapter_bytes(job), self.expected_adapter)
        wait_until(lambda: not self.cluster.trainers(job), 10, "no trainer is left")

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
