"""The trainer on a GPU against the same run on the CPU, and against itself after an interruption.

Skipped, with the reason, where lathe-trainer finds no GPU that it can use."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
TRAINER = pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer"
STEPS = 20


def configuration(precision: str = "fp32", method: dict | None = None,
                  optimizations: tuple[str, ...] = (), **schedule) -> dict:
    """A LoRA run of the tiny model unless told otherwise."""
    made = {
        "model": {"baseModel": "llama_tiny", "precision": precision},
        "datasets": {"format": "tokenized", "shuffle": False, "trainSplit": 1.0},
        "method": method or {"type": "lora", "loraConfig": {"rank": 8, "alpha": 16}},
        "schedule": {"maxSteps": STEPS, "batchSize": 2, "gradientAccumulation": 2,
                     "evaluations": 0, "sequenceLength": 512, **schedule},
        "optimizer": {"learningRate": 1e-3}}
    if optimizations:
        made["optimizations"] = {"enabled": list(optimizations)}
    return made


def write_plan(folder: pathlib.Path, name: str, device: str, settings: dict) -> pathlib.Path:
    rows = folder / "rows.jsonl"
    with rows.open("w") as file:
        for row in range(16):
            ids = [(row * 31 + i * 7) % 500 + 5 for i in range(24 + 3 * row)]
            file.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    plan = folder / f"{name}.json"
    plan.write_text(json.dumps({
        "planVersion": 1, "jobId": "gpu-test", "attempt": 1, "device": device,
        "configuration": settings,
        "paths": {"baseModel": str(SOURCE / "tests/golden/models/llama_tiny"), "train": str(rows),
                  "validation": None, "output": str(folder / name), "initAdapter": None},
        "distributed": {"worldSize": 1}}))
    return plan


def metrics(output: pathlib.Path) -> list[dict]:
    log = output / "events.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [event for event in events if event["type"] == "metric"]


def run(plan: pathlib.Path) -> subprocess.CompletedProcess:
    return subprocess.run([str(TRAINER), "run", str(plan)], capture_output=True, text=True,
                          timeout=300, check=False)


class GpuTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        answer = subprocess.run([str(TRAINER), "bench", "--device", "cuda:0", "--seconds", "0.05"],
                                capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise unittest.SkipTest(answer.stderr.strip().splitlines()[0])

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lathe-gpu-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def train(self, name: str, device: str, settings: dict) -> list[dict]:
        answer = run(write_plan(self.folder, name, device, settings))
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return metrics(self.folder / name)

    def compare(self, settings: dict, tolerance: float, name: str = "") -> None:
        gpu = self.train("gpu" + name, "cuda:0", settings)
        cpu = self.train("cpu" + name, "cpu", settings)
        self.assertEqual(len(gpu), STEPS)
        for mine, reference in zip(gpu, cpu):
            self.assertAlmostEqual(mine["loss"], reference["loss"], delta=tolerance)
            self.assertAlmostEqual(mine["gradientNorm"], reference["gradientNorm"],
                                   delta=10 * tolerance)

    def test_fp32_equals_the_cpu(self):
        self.compare(configuration("fp32"), 1e-4)

    def test_bf16_is_near_the_cpu(self):
        self.compare(configuration("bf16"), 5e-2)

    def test_quantised_weights_equal_the_cpus(self):
        method = {"type": "qlora", "loraConfig": {"rank": 8, "alpha": 16}}
        self.compare(configuration("fp32", method), 1e-4)

    def test_quantised_weights_in_bf16_are_near_the_cpus(self):
        method = {"type": "qlora", "loraConfig": {"rank": 8, "alpha": 16}}
        # Few enough rows that weights are multiplied as they are stored, and more.
        for batch in (1, 8):
            with self.subTest(batch=batch):
                self.compare(configuration("bf16", method, batchSize=batch), 5e-2, str(batch))

    def test_full_fine_tuning_equals_the_cpu(self):
        self.compare(configuration("fp32", {"type": "full"}), 1e-3)

    def test_packed_documents_do_not_see_each_other(self):
        self.compare(configuration("bf16", optimizations=("sequence_packing",)), 5e-2)

    def test_checkpointed_and_offloaded_activations_change_no_bit(self):
        plain = self.train("plain", "cuda:0", configuration("bf16"))
        for name in ("gradient_checkpointing", "activation_offloading"):
            other = self.train(name, "cuda:0", configuration("bf16", optimizations=(name,)))
            self.assertEqual([m["loss"] for m in other], [m["loss"] for m in plain])

    def test_an_interrupted_run_ends_with_the_same_bits(self):
        for kind in ("lora", "qlora"):
            with self.subTest(kind):
                self.interrupt(kind)

    def interrupt(self, kind: str) -> None:
        method = {"type": kind, "loraConfig": {"rank": 8, "alpha": 16, "dropout": 0.1}}
        settings = configuration("bf16", method, ("sequence_packing",), maxSteps=300)
        whole = self.folder / f"whole-{kind}"
        self.train(whole.name, "cuda:0", settings)
        output = self.folder / f"parted-{kind}"
        plan = write_plan(self.folder, output.name, "cuda:0", settings)
        # pylint: disable=consider-using-with
        process = subprocess.Popen([str(TRAINER), "run", str(plan)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(metrics(output)) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        self.assertLess(len(metrics(output)), 300, "the run was over before it could be stopped")
        answer = run(plan)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual([m["loss"] for m in metrics(output)],
                         [m["loss"] for m in metrics(whole)])
        name = "adapter/adapter_model.safetensors"
        self.assertEqual((output / name).read_bytes(), (whole / name).read_bytes())

    def test_memory_is_the_devices(self):
        used = self.train("memory", "cuda:0", configuration("bf16"))[-1]["memoryBytes"]
        self.assertGreater(used, 1 << 16)
        # The process itself is larger: it holds CUDA's libraries.
        self.assertLess(used, 256 << 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
