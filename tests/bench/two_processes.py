#!/usr/bin/env python3
"""Steps of a 135M model by two processes of one thread each, by one or several trainers in turn.

usage: two_processes.py lora|full [--trainer FILE]... [--model MODEL] [--steps 8] [--rounds 2]

Prints the median of each run's tokens/s (without its first step) and its last loss. For comparing
two builds: give --trainer twice.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
TOKENS = 128
METHODS = {"lora": {"type": "lora", "loraConfig": {"rank": 8, "alpha": 16}},
           "full": {"type": "full"}}


def write_plan(folder: pathlib.Path, options: argparse.Namespace) -> pathlib.Path:
    draw = random.Random(1)
    with (folder / "rows.jsonl").open("w") as file:
        for _ in range(64):
            ids = [draw.randrange(5, 49000) for _ in range(TOKENS)]
            file.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    plan = folder / "plan.json"
    plan.write_text(json.dumps({
        "planVersion": 1, "jobId": "two", "attempt": 1, "device": "cpu",
        "configuration": {
            "model": {"baseModel": "demo", "precision": "fp32"},
            "datasets": {"format": "tokenized", "trainSplit": 1.0},
            "method": METHODS[options.method],
            "schedule": {"maxSteps": options.steps, "batchSize": 4, "gradientAccumulation": 1,
                         "checkpoints": 0, "evaluations": 0, "sequenceLength": 512},
            "optimizer": {"name": "sgd" if options.method == "full" else "adamw",
                          "learningRate": 1e-4}},
        "paths": {"baseModel": str(options.model),
                  "train": str(folder / "rows.jsonl"), "validation": None,
                  "output": str(folder / "output"), "initAdapter": None},
        "distributed": {"worldSize": 2, "baseWeights": "replicated"}}))
    return plan


def measure(trainer: str, options: argparse.Namespace) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="lathe-bench-") as name:
        folder = pathlib.Path(name)
        plan = write_plan(folder, options)
        processes = []
        for rank in range(2):
            environment = dict(os.environ, RANK=str(rank), WORLD_SIZE="2", OMP_NUM_THREADS="1",
                               LATHE_RENDEZVOUS_FILE=str(folder / "meet"))
            # pylint: disable=consider-using-with
            processes.append(subprocess.Popen([trainer, "run", str(plan)], env=environment))
        codes = [process.wait() for process in processes]
        if codes != [0, 0]:
            raise SystemExit(f"the processes ended with {codes}")
        lines = (folder / "output" / "events.jsonl").read_text().splitlines()
        steps = [event for event in map(json.loads, lines) if event["type"] == "metric"]
    return statistics.median(s["tokensPerSecond"] for s in steps[1:]), steps[-1]["loss"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--trainer", action="append")
    parser.add_argument("--model", default=CACHE / "lathe/models/smollm2-135m-instruct.gguf")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    for _ in range(options.rounds):
        for trainer in options.trainer or [str(ROOT / "build/release/bin/lathe-trainer")]:
            rate, loss = measure(trainer, options)
            print(f"{trainer}: {rate:.1f} tokens/s, loss {loss:.6f}", flush=True)


if __name__ == "__main__":
    main()
