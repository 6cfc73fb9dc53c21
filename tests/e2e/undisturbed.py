"""Jobs that are disturbed in mid-run and must end as one that was not."""
import pathlib
import unittest

from cluster import Cluster, wait_until, write_tokenized


class UndisturbedResultTest(unittest.TestCase):
    """A worker and what a job came to that ran through on it. A class gives `steps`, the job's
    `configuration` and, where it matters, the `worker`'s settings."""

    steps: int
    configuration: dict
    worker: dict = {}
    cluster: Cluster
    dataset: pathlib.Path
    undisturbed: str

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.cluster.start_worker("worker-1", **cls.worker)
        cls.dataset = write_tokenized(cls.cluster.folder / "train.jsonl")
        cls.undisturbed = cls.submit()
        assert cls.cluster.wait_for_end(cls.undisturbed) == "succeeded", \
            cls.cluster.job(cls.undisturbed)
        cls.expected_adapter = cls.cluster.adapter_bytes(cls.undisturbed)
        cls.expected_losses = [m["loss"] for m in cls.cluster.metrics(cls.undisturbed)]
        assert len(cls.expected_losses) == cls.steps

    @classmethod
    def submit(cls) -> str:
        return cls.cluster.submit(cls.configuration, cls.dataset)

    def started(self) -> str:
        """A job well under way, with checkpoints behind it and steps after the last one."""
        job = self.submit()
        self.cluster.wait_for_step(job, 35)
        return job

    def expect_undisturbed_result(self, job: str) -> None:
        self.assertEqual(self.cluster.wait_for_end(job), "succeeded", self.cluster.job(job))
        metrics = self.cluster.metrics(job)
        self.assertEqual([m["step"] for m in metrics], list(range(1, self.steps + 1)))
        self.assertEqual([m["loss"] for m in metrics], self.expected_losses)
        self.assertEqual(self.cluster.adapter_bytes(job), self.expected_adapter)
        wait_until(lambda: not self.cluster.trainers(job), 10, "no trainer is left")
