"""A job of two processes on two GPUs against the same job on one: losses, with the base weights whole
in each and in parts.

Skipped, with the reason, where there are fewer than two GPUs."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
TRAINER = pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer"
STEPS = 10


def gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


class RanksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if gpus() < 2:
            raise unittest.SkipTest(f"needs two GPUs, found {gpus()}")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lathe-gpu-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        with (self.folder / "rows.jsonl").open("w") as file:
            for row in range(16):
                ids = [(row * 31 + i * 7) % 500 + 5 for i in range(24 + 3 * row)]
                file.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")

    def losses(self, ranks: int, base_weights: str) -> list[float]:
        output = self.folder / f"{base_weights}-{ranks}"
        plan = output.with_suffix(".json")
        plan.write_text(json.dumps({
            "planVersion": 1, "jobId": "gpu-test", "attempt": 1, "device": "cuda:0",
            "configuration": {
                "model": {"baseModel": "llama_tiny", "precision": "fp32"},
                "datasets": {"format": "tokenized", "trainSplit": 1.0},
                "method": {"type": "lora", "loraConfig": {"rank": 8, "alpha": 16}},
                "schedule": {"maxSteps": STEPS, "batchSize": 2, "gradientAccumulation": 3,
                             "evaluations": 0, "sequenceLength": 512},
                "optimizer": {"learningRate": 1e-3}},
            "paths": {"baseModel": str(SOURCE / "tests/golden/models/llama_tiny"),
                      "train": str(self.folder / "rows.jsonl"), "validation": None,
                      "output": str(output), "initAdapter": None},
            "distributed": {"worldSize": ranks, "baseWeights": base_weights}}))
        processes = []
        for rank in range(ranks):
            environment = dict(os.environ, RANK=str(rank), LOCAL_RANK=str(rank),
                               WORLD_SIZE=str(ranks), LATHE_RENDEZVOUS_FILE=f"{output}.meet")
            # pylint: disable=consider-using-with
            processes.append(subprocess.Popen([str(TRAINER), "run", str(plan)], env=environment))
        self.assertEqual([process.wait(300) for process in processes], [0] * ranks)
        events = [json.loads(line) for line in (output / "events.jsonl").read_text().splitlines()]
        return [event["loss"] for event in events if event["type"] == "metric"]

    def test_two_are_as_one(self):
        alone = self.losses(1, "auto")
        whole = self.losses(2, "replicated")
        self.assertEqual(len(whole), STEPS)
        for mine, reference in zip(whole, alone):
            self.assertAlmostEqual(mine, reference, delta=1e-4)
        self.assertEqual(self.losses(2, "sharded"), whole)


if __name__ == "__main__":
    unittest.main(verbosity=2)
