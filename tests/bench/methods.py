#!/usr/bin/env python3
"""Steps of a 135M model by one training method after the other, by one or several trainers in turn.

usage: methods.py METHOD... [--trainer FILE]... [--processes 1] [--precision fp32] [--optimizer adamw]
                  [--model MODEL] [--steps 8] [--rounds 2]

A METHOD is lora, dora, dora-dropout, prefix, projected-prefix, bottleneck or full. Two threads in
all: of one process, or one of each of two. Prints for each run the median of its tokens/s without
the first step, its last loss and the peak memory of a process. For comparing two builds: give
--trainer twice.
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
THREADS = 2
LORA = {"rank": 8, "alpha": 16}
METHODS = {"lora": {"type": "lora", "loraConfig": LORA},
           "dora": {"type": "lora", "loraConfig": {**LORA, "useDora": True}},
           "dora-dropout": {"type": "lora", "loraConfig": {**LORA, "useDora": True, "dropout": 0.1}},
           "prefix": {"type": "prefix", "prefixLength": 32},
           "projected-prefix": {"type": "prefix", "prefixLength": 32, "prefixProjection": True,
                                "prefixHiddenSize": 512},
           "bottleneck": {"type": "adapter", "adapterSize": 64},
           "full": {"type": "full"}}


def write_plan(folder: pathlib.Path, method: str, options: argparse.Namespace) -> pathlib.Path:
    draw = random.Random(1)
    with (folder / "rows.jsonl").open("w") as file:
        for _ in range(64):
            ids = [draw.randrange(5, 49000) for _ in range(TOKENS)]
            file.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    plan = folder / "plan.json"
    plan.write_text(json.dumps({
        "planVersion": 1, "jobId": "methods", "attempt": 1, "device": "cpu",
        "configuration": {
            "model": {"baseModel": "demo", "precision": options.precision},
            "datasets": {"format": "tokenized", "trainSplit": 1.0},
            "method": METHODS[method],
            "schedule": {"maxSteps": options.steps, "batchSize": 4, "gradientAccumulation": 1,
                         "checkpoints": 0, "evaluations": 0, "sequenceLength": 512},
            "optimizer": {"name": options.optimizer, "learningRate": 1e-4}},
        "paths": {"baseModel": str(options.model),
                  "train": str(folder / "rows.jsonl"), "validation": None,
                  "output": str(folder / "output"), "initAdapter": None},
        "distributed": {"worldSize": options.processes, "baseWeights": "replicated"}}))
    return plan


def measure(trainer: str, method: str, options: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="lathe-bench-") as name:
        folder = pathlib.Path(name)
        plan = write_plan(folder, method, options)
        processes = []
        for rank in range(options.processes):
            environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS // options.processes))
            if options.processes > 1:
                environment.update(RANK=str(rank), WORLD_SIZE=str(options.processes),
                                   LATHE_RENDEZVOUS_FILE=str(folder / "meet"))
            # pylint: disable=consider-using-with
            processes.append(subprocess.Popen([trainer, "run", str(plan)], env=environment))
        ends = [os.wait4(process.pid, 0) for process in processes]
        if any(status != 0 for _, status, _ in ends):
            raise SystemExit(f"the processes ended with {[status for _, status, _ in ends]}")
        lines = (folder / "output" / "events.jsonl").read_text().splitlines()
        steps = [event for event in map(json.loads, lines) if event["type"] == "metric"]
    rate = statistics.median(step["tokensPerSecond"] for step in steps[1:])
    memory = max(usage.ru_maxrss for _, _, usage in ends) / 1024
    return f"{rate:.1f} tokens/s, loss {steps[-1]['loss']:.6f}, {memory:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", choices=METHODS, metavar="METHOD")
    parser.add_argument("--trainer", action="append")
    parser.add_argument("--processes", type=int, choices=[1, 2], default=1)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--optimizer", choices=["adamw", "sgd"], default="adamw")
    parser.add_argument("--model", default=CACHE / "lathe/models/smollm2-135m-instruct.gguf")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    for method in options.methods:
        for _ in range(options.rounds):
            for trainer in options.trainer or [str(ROOT / "build/release/bin/lathe-trainer")]:
                print(f"{method}, {options.precision}, {trainer}: "
                      f"{measure(trainer, method, options)}", flush=True)


if __name__ == "__main__":
    main()
