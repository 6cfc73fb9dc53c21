"""Jobs that several processes of one node share: any of them may be killed, and another number of them
goes on where the first stopped."""
import os
import signal
import unittest

from cluster import Cluster, tiny_configuration, wait_until, write_tokenized
from undisturbed import UndisturbedResultTest

STEPS = 150


def job_configuration() -> dict:
    job = tiny_configuration(STEPS, gradientAccumulation=2)
    job["method"]["loraConfig"]["dropout"] = 0.0
    return job


class RanksTest(UndisturbedResultTest):
    steps = STEPS
    configuration = job_configuration()
    worker = {"cpu_ranks": 2}

    def rank(self, job: str, number: int) -> int:
        """The process id of one of the job's ranks."""
        pids = wait_until(lambda: len(self.cluster.trainers(job)) == 2 and self.cluster.trainers(job),
                          30, "both ranks run")
        for pid in pids:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"RANK={number}".encode() in file.read().split(b"\0"):
                    return pid
        raise AssertionError(f"no rank {number} among {pids}")

    def test_undisturbed_job_tells_of_its_ranks(self):
        started = [e for e in self.cluster.events(self.undisturbed) if e["type"] == "started"]
        self.assertEqual([e["fields"]["processes"] for e in started], [2])
        self.assertEqual([e["fields"]["threads"] for e in started], [1])

    def test_either_rank_killed(self):
        job = self.started()
        os.kill(self.rank(job, 1), signal.SIGKILL)
        wait_until(lambda: self.cluster.job(job)["attempt"] == 2, 30, "a second attempt")
        self.cluster.wait_for_step(job, 80)
        os.kill(self.rank(job, 0), signal.SIGKILL)
        self.expect_undisturbed_result(job)
        self.assertEqual(self.cluster.job(job)["attempt"], 3)

    def test_worker_killed_and_restarted_adopts_both(self):
        job = self.started()
        before = self.cluster.trainers(job)
        self.assertEqual(len(before), 2)
        self.cluster.kill("worker-1")
        self.assertEqual(self.cluster.trainers(job), before, "the trainers outlive their worker")
        self.cluster.start_worker("worker-1", cpu_ranks=2)
        self.expect_undisturbed_result(job)
        self.assertEqual(self.cluster.job(job)["attempt"], 1)

    def test_worker_and_a_rank_killed(self):
        job = self.started()
        rank = self.rank(job, 1)
        self.cluster.kill("worker-1")
        os.kill(rank, signal.SIGKILL)
        wait_until(lambda: not self.cluster.trainers(job), 30, "the other rank leaves by itself")
        self.cluster.start_worker("worker-1", cpu_ranks=2)
        self.expect_undisturbed_result(job)

    def test_cancel_ends_both(self):
        job = self.started()
        answer = self.cluster.lathe("cancel", job)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual(self.cluster.wait_for_end(job), "cancelled")
        wait_until(lambda: not self.cluster.trainers(job), 10, "no trainer is left")


class ElasticTest(unittest.TestCase):
    def test_a_job_moves_between_nodes_of_two_ranks_and_of_one(self):
        cluster = Cluster()
        self.addCleanup(cluster.close)
        dataset = write_tokenized(cluster.folder / "t.jsonl")
        cluster.start_worker("worker-1", cpu_ranks=1)
        job = cluster.submit(job_configuration(), dataset)
        self.assertEqual(cluster.wait_for_end(job), "succeeded", cluster.job(job))
        expected = [m["loss"] for m in cluster.metrics(job)]

        job = cluster.submit(job_configuration(), dataset)
        for name, ranks, base_weights in (("worker-2", 2, "replicated"), ("worker-3", 1, "sharded"),
                                          ("worker-4", 2, "sharded")):
            lost = list(cluster.processes)[-1]
            cluster.wait_for_step(job, cluster.step(job) + 20)
            wait_until(lambda: int(cluster.job(job).get("checkpointStep", 0)) > 0, 20,
                       "a checkpoint is stored away from the node")
            trainers = cluster.trainers(job)
            cluster.kill(lost)
            for pid in trainers:
                os.kill(pid, signal.SIGKILL)
            cluster.start_worker(name, cpu_ranks=ranks, settings=f"base_weights: {base_weights}\n")
        self.assertEqual(cluster.wait_for_end(job), "succeeded", cluster.job(job))
        metrics = cluster.metrics(job)
        self.assertEqual([m["step"] for m in metrics], list(range(1, STEPS + 1)))
        for want, metric in zip(expected, metrics):
            self.assertAlmostEqual(metric["loss"], want, delta=1e-5 * max(1, abs(want)))
        started = [e for e in cluster.events(job) if e["type"] == "started"]
        self.assertEqual([e["fields"]["processes"] for e in started], [1, 2, 1, 2])
        self.assertEqual([e["fields"]["baseWeights"] for e in started],
                         ["replicated", "replicated", "replicated", "sharded"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
