#!/usr/bin/env python3
"""Seconds from the start of lathe-trainer to its first step on the demo model and the demo data.

usage: startup.py [--rounds 3] [--precision fp32|bf16] [--threads 2]

Prints, for each round, when the first step begins (model, tokenizer and data are there) and when it is
done. trainer_vs_peft.py has the Python stack's time for the same model.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))


def measure(folder: pathlib.Path, options: argparse.Namespace) -> tuple[float, float]:
    plan = folder / "plan.json"
    plan.write_text(json.dumps({
        "planVersion": 1, "jobId": "startup", "attempt": 1, "device": "cpu",
        "configuration": {
            "model": {"baseModel": "demo", "precision": options.precision},
            "datasets": {"format": "messages"},
            "schedule": {"maxSteps": 1, "batchSize": 4, "evaluations": 0, "checkpoints": 0}},
        "paths": {"baseModel": str(CACHE / "lathe/models/smollm2-135m-instruct.gguf"),
                  "train": str(ROOT / "deploy/demo/train.jsonl"), "validation": None,
                  "output": str(folder / "out"), "initAdapter": None},
        "distributed": {"worldSize": 1}}))
    log = folder / "out/events.jsonl"
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    begin = time.time()
    trainer = subprocess.Popen([str(ROOT / "build/release/bin/lathe-trainer"), "run", str(plan)],
                               env=environment)
    seen: dict[str, float] = {}
    while "metric" not in seen and trainer.poll() is None:
        text = log.read_text() if log.exists() else ""
        for mark in ('"training"', '"metric"'):
            if mark in text:
                seen.setdefault(mark.strip('"'), time.time() - begin)
        time.sleep(0.005)
    if trainer.wait() != 0:
        sys.exit(f"lathe-trainer left with {trainer.returncode}")
    return seen["training"], seen["metric"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="lathe-bench-") as folder:
            begins, done = measure(pathlib.Path(folder), options)
        print(f"{options.precision}: first step begins after {begins:.2f} s, is done after {done:.2f} s",
              flush=True)


main()
