"""What must be equal of any plan, whatever is combined in it: plans at random, see random_plans.py.

LATHE_RANDOM_PLANS="FIRST:COUNT" takes other seeds than the few that a run of all tests can afford.
A failure names its seed.
"""
import array
import functools
import hashlib
import json
import math
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import time
import unittest

from random_plans import SAVINGS, RandomPlan

TRAINER = pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer"
FIRST, COUNT = (int(x) for x in os.environ.get("LATHE_RANDOM_PLANS", "0:3").split(":"))
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


def events(output: pathlib.Path) -> list[dict]:
    log = output / "events.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def steps(output: pathlib.Path) -> list[tuple[int, float]]:
    return [(event["step"], event["loss"]) for event in events(output) if event["type"] == "metric"]


def adapter(output: pathlib.Path) -> dict[str, str]:
    """Its files' hashes."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (output / "adapter").iterdir()}


def start(plan: pathlib.Path, **environment: str) -> subprocess.Popen:
    return subprocess.Popen([str(TRAINER), "run", str(plan)], env={**ALONE, **environment},
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_after(process: subprocess.Popen, output: pathlib.Path, step: int, sent: int):
    """Sends a signal as soon as the log has that many steps, wherever the program then is."""
    log = output / "events.jsonl"
    while process.poll() is None:
        if log.exists() and log.read_text().count('"type":"metric"') >= step:
            process.send_signal(sent)
            return
        time.sleep(0.001)  # between looks: the log of another program does not call


def write_tokens(path: pathlib.Path, rows: list[list[int]]):
    """input_ids and attention_mask, padded on the right, as a safetensors file."""
    width = max(map(len, rows))
    ids = [token for row in rows for token in row + [0] * (width - len(row))]
    mask = [one for row in rows for one in [1] * len(row) + [0] * (width - len(row))]
    size = 8 * len(ids)
    header = json.dumps({
        name: {"dtype": "I64", "shape": [len(rows), width], "data_offsets": [at, at + size]}
        for name, at in (("input_ids", 0), ("attention_mask", size))}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + array.array("q", ids + mask).tobytes())


def mean_loss(path: pathlib.Path, rows: list[dict]) -> float:
    """Cross-entropy of the rows' labels by the fp32 logits [rows, width, vocabulary] in a file."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    described = json.loads(content[8:8 + length])["logits"]
    logits = array.array("f", content[8 + length + described["data_offsets"][0]:
                                      8 + length + described["data_offsets"][1]])
    _, width, vocabulary = described["shape"]
    losses = []
    for number, row in enumerate(rows):
        for at in range(1, len(row["labels"])):
            label = row["labels"][at]
            if label < 0:
                continue
            begin = (number * width + at - 1) * vocabulary
            scores = logits[begin:begin + vocabulary]
            most = max(scores)
            losses.append(most + math.log(sum(math.exp(x - most) for x in scores)) - scores[label])
    return sum(losses) / len(losses)


def of_each_plan(check):
    """A test of the plans one by one, each in a folder that is gone afterwards."""
    @functools.wraps(check)
    def test(self):
        for seed in range(FIRST, FIRST + COUNT):
            with self.subTest(seed=seed), tempfile.TemporaryDirectory() as folder:
                check(self, RandomPlan(seed, pathlib.Path(folder)))
    return test


class RandomPlans(unittest.TestCase):
    def finish(self, process: subprocess.Popen):
        said, _ = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, said[-2000:])

    def run_plan(self, plan: RandomPlan, output: str) -> pathlib.Path:
        self.finish(start(plan.write(output)))
        return plan.folder / output

    def assert_close(self, one: pathlib.Path, other: pathlib.Path, tolerance: float):
        self.assertEqual([step for step, _ in steps(one)], [step for step, _ in steps(other)])
        for (step, loss), (_, same) in zip(steps(one), steps(other)):
            self.assertLessEqual(abs(loss - same), tolerance * max(1, abs(loss)), f"step {step}")

    def make_exact(self, plan: RandomPlan):
        """Takes out what depends on how rows are split over passes and processes."""
        plan.configuration["model"]["precision"] = "fp32"
        plan.configuration["method"].get("loraConfig", {})["dropout"] = 0
        # Signs and codes of eight bits turn a rounding into a step.
        if plan.configuration["optimizer"]["name"] not in ("adamw", "sgd"):
            plan.configuration["optimizer"]["name"] = "adamw"

    @of_each_plan
    def test_an_interrupted_run_ends_as_an_uninterrupted_one(self, plan: RandomPlan):
        whole = self.run_plan(plan, "whole")
        chance = plan.random
        file = plan.write("broken")
        broken = plan.folder / "broken"
        process = start(file)
        kill_after(process, broken, chance.randint(1, len(steps(whole))),
                   chance.choice([signal.SIGKILL, signal.SIGTERM]))
        process.communicate(timeout=300)
        if process.returncode != 0:
            self.finish(start(file))
        self.assertEqual(steps(broken), steps(whole))
        self.assertEqual(adapter(broken), adapter(whole))
        numbers = [event["seq"] for event in events(broken)]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    @of_each_plan
    def test_two_processes_train_as_one(self, plan: RandomPlan):
        self.make_exact(plan)
        alone = self.run_plan(plan, "alone")
        file = plan.write("shared", processes=2)
        ranks = [start(file, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
                       LATHE_RENDEZVOUS_FILE=str(plan.folder / "meet")) for rank in range(2)]
        for rank in ranks:
            self.finish(rank)
        self.assert_close(plan.folder / "shared", alone, 1e-4)

    @of_each_plan
    def test_how_a_batch_is_split_and_what_saves_memory_change_nothing(self, plan: RandomPlan):
        self.make_exact(plan)
        enabled = plan.configuration["optimizations"]["enabled"]
        plan.configuration["schedule"].update(batchSize=4, gradientAccumulation=1)
        plan.configuration["optimizations"]["enabled"] = \
            [name for name in enabled if name not in SAVINGS]
        plain = self.run_plan(plan, "plain")
        plan.configuration["optimizations"]["enabled"] += SAVINGS
        self.assert_close(self.run_plan(plan, "saving"), plain, 1e-5)
        if "sequence_packing" in enabled:
            return  # There the batch is of packed sequences, whose rows depend on its size.
        plan.configuration["schedule"].update(batchSize=2, gradientAccumulation=2)
        self.assert_close(self.run_plan(plan, "split"), plain, 1e-5)

    @of_each_plan
    def test_what_is_saved_computes_what_was_evaluated(self, plan: RandomPlan):
        self.make_exact(plan)
        plan.format = "tokenized"
        plan.configuration.pop("objective", None)
        plan.configuration["datasets"]["format"] = "tokenized"
        plan.rows = [plan.tokenized_row() for _ in plan.rows]
        plan.validation = [plan.tokenized_row() for _ in plan.validation]
        plan.configuration["schedule"]["evaluations"] = 1
        if plan.configuration["method"]["type"] == "qlora":  # `logits` has the base as it is.
            plan.configuration["method"] = {"type": "lora"}
        output = self.run_plan(plan, "run")
        last = [event for event in events(output) if event["type"] == "evaluation"][-1]
        tokens, logits = plan.folder / "tokens.safetensors", plan.folder / "logits.safetensors"
        write_tokens(tokens, [row["input_ids"] for row in plan.validation])
        trained = output / "adapter"
        model = [trained, tokens, logits] if plan.configuration["method"]["type"] == "full" \
            else [plan.model, tokens, logits, "--adapter", trained]
        subprocess.run([str(TRAINER), "logits", *map(str, model)], check=True, timeout=300)
        self.assertAlmostEqual(mean_loss(logits, plan.validation), last["loss"], delta=2e-4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
