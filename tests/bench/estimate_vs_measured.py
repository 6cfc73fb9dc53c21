#!/usr/bin/env python3
"""What `lathe-trainer estimate` says beside what a run of the same plan takes.

usage: estimate_vs_measured.py [--model FILE] [--threads 2] [--steps 3] [--only REGEX]

Each case is a small LoRA run of the demo model on rows of random tokens. Prints peak memory
(resident set) and tokens/s, estimated and measured, and their ratios.
"""
import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOCABULARY = 49152

# name, precision, batch, tokens a row, rank, optimizations
CASES = [
    ("fp32 1 x 128", "fp32", 1, 128, 8, []),
    ("fp32 4 x 128", "fp32", 4, 128, 8, []),
    ("fp32 4 x 512", "fp32", 4, 512, 8, []),
    ("fp32 2 x 1024", "fp32", 2, 1024, 8, []),
    ("fp32 4 x 512, recomputed", "fp32", 4, 512, 8, ["gradient_checkpointing"]),
    ("bf16 4 x 128", "bf16", 4, 128, 8, []),
    ("bf16 4 x 512", "bf16", 4, 512, 8, []),
    ("bf16 4 x 512, r 64, recomputed", "bf16", 4, 512, 64, ["gradient_checkpointing"]),
]


def write_plan(folder, options, case):
    _, precision, batch, length, rank, optimizations = case
    generator = random.Random(0)
    rows = folder / "rows.jsonl"
    with rows.open("w") as file:
        for _ in range(batch):
            ids = [generator.randrange(VOCABULARY) for _ in range(length)]
            file.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    path = folder / "plan.json"
    path.write_text(json.dumps({
        "planVersion": 1, "jobId": "bench", "attempt": 1, "device": "cpu",
        "configuration": {
            "model": {"baseModel": "demo", "precision": precision},
            "datasets": {"format": "tokenized", "trainSplit": 1.0},
            "method": {"type": "lora", "loraConfig": {"rank": rank, "alpha": 16}},
            "schedule": {"maxSteps": options.steps, "batchSize": batch, "evaluations": 0,
                         "checkpoints": 0, "sequenceLength": 1024},
            "optimizations": {"enabled": optimizations},
            "optimizer": {"learningRate": 1e-4}},
        "paths": {"baseModel": str(options.model), "train": str(rows), "validation": None,
                  "output": str(folder / "out"), "initAdapter": None},
        "distributed": {"worldSize": 1}}))
    return path


def peak_of(command, environment):
    """Runs a command; its standard output and peak resident bytes."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    return output, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    cache = pathlib.Path.home() / ".cache/lathe"
    parser.add_argument("--model", type=pathlib.Path,
                        default=cache / "models/smollm2-135m-instruct.gguf")
    parser.add_argument("--trainer", default=str(ROOT / "build/release/bin/lathe-trainer"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--only", default="", help="only cases whose name matches")
    options = parser.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads),
                   "OMP_WAIT_POLICY": "passive"}
    print(f"{'case':34}{'memory MB':>22}{'ratio':>7}{'tokens/s':>16}{'ratio':>7}")
    for case in CASES:
        if not re.search(options.only, case[0]):
            continue
        with tempfile.TemporaryDirectory(prefix="lathe-bench-") as name:
            folder = pathlib.Path(name)
            plan = write_plan(folder, options, case)
            answer, _ = peak_of([options.trainer, "estimate", str(plan), "--json"], environment)
            estimate = json.loads(answer)
            _, peak = peak_of([options.trainer, "run", str(plan)], environment)
            events = [json.loads(line) for line in (folder / "out/events.jsonl").open()]
            speed = max(e["tokensPerSecond"] for e in events if e["type"] == "metric")
        said = estimate["memoryBytes"]["total"]
        rate = estimate["tokensPerSecond"]
        print(f"{case[0]:34}{said / 1e6:11.0f}{peak / 1e6:11.0f}{said / peak:7.2f}"
              f"{rate:8.0f}{speed:8.0f}{rate / speed:7.2f}", flush=True)


if __name__ == "__main__":
    main()
