"""The trainer on a GPU against the same run on the CPU: losses, gradient norms and the adapter.

Skipped, with the reason, where lathe-trainer finds no GPU that it can use."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
TRAINER = pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer"
STEPS = 20


def run(folder: pathlib.Path, device: str, precision: str) -> tuple[int, str, list[dict]]:
    """Exit code, standard error and metrics of a LoRA run of the tiny model on one device."""
    rows = folder / "rows.jsonl"
    with rows.open("w") as file:
        for row in range(16):
            ids = [(row * 31 + i * 7) % 500 + 5 for i in range(40)]
            file.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    output = folder / device.replace(":", "-")
    plan = folder / "plan.json"
    plan.write_text(json.dumps({
        "planVersion": 1, "jobId": "gpu-test", "attempt": 1, "device": device,
        "configuration": {
            "model": {"baseModel": "llama_tiny", "precision": precision},
            "datasets": {"format": "tokenized", "shuffle": False, "trainSplit": 1.0},
            "method": {"type": "lora", "loraConfig": {"rank": 8, "alpha": 16}},
            "schedule": {"maxSteps": STEPS, "batchSize": 2, "gradientAccumulation": 2,
                         "evaluations": 0},
            "optimizer": {"learningRate": 1e-3}},
        "paths": {"baseModel": str(SOURCE / "tests/golden/models/llama_tiny"), "train": str(rows),
                  "validation": None, "output": str(output), "initAdapter": None},
        "distributed": {"rank": 0, "worldSize": 1, "rendezvous": None}}))
    answer = subprocess.run([str(TRAINER), "run", str(plan)], capture_output=True, text=True,
                            timeout=300, check=False)
    log = output / "events.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return answer.returncode, answer.stderr, [e for e in events if e["type"] == "metric"]


class GpuTest(unittest.TestCase):
    def compare(self, precision: str, tolerance: float) -> None:
        with tempfile.TemporaryDirectory(prefix="lathe-gpu-") as name:
            folder = pathlib.Path(name)
            code, message, gpu = run(folder, "cuda:0", precision)
            if code != 0 and ("CUDA" in message or "GPU" in message) and not gpu:
                self.skipTest(message.strip().splitlines()[0])
            self.assertEqual(code, 0, message)
            code, message, cpu = run(folder, "cpu", precision)
            self.assertEqual(code, 0, message)
        self.assertEqual(len(gpu), STEPS)
        for mine, reference in zip(gpu, cpu):
            self.assertAlmostEqual(mine["loss"], reference["loss"], delta=tolerance)
            self.assertAlmostEqual(mine["gradientNorm"], reference["gradientNorm"],
                                   delta=10 * tolerance)

    def test_fp32_equals_the_cpu(self):
        self.compare("fp32", 1e-4)

    def test_bf16_is_near_the_cpu(self):
        self.compare("bf16", 5e-2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
