#!/usr/bin/env python3
"""Lathe's trainer beside PEFT on the demo model, alternately in one run.

usage: trainer_vs_peft.py --peer-python PYTHON --peer-model DIR [--rounds 3] [--threads 2]
                          [--precision fp32] [--method lora|dora|full] [--data random|chat]
                          [--batch 4] [--length 128]

PYTHON is an interpreter with torch, transformers and peft; DIR is the demo model as a Hugging Face
folder (tests/golden/demo_adapter/make_reference.py --export DIR writes it). Both train LoRA r=8 on
every linear layer, with DoRA or without, or all weights, on the same rows of random tokens: all of
one length and all to be learnt, or, as chats are, most of them short, some as long as --length, and
about a third to be learnt (the Python side pads a batch to its longest row, as its collators do).
Tokens are counted without padding.
Prints each round, then the ratios of the medians: seconds from process start until the first step
begins (model, data and adapter are there) and until it is done, tokens a second, peak memory.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import methods
import pairs

VOCABULARY = 49152


def write_rows(path: pathlib.Path, options: argparse.Namespace) -> None:
    generator = random.Random(0)
    chat = options.data == "chat"
    with path.open("w") as file:
        for _ in range(options.batch * (options.steps if chat else 1)):
            share = generator.random() ** 2 if chat else 1
            ids = [generator.randrange(VOCABULARY) for _ in range(round(
                options.length / 8 + share * options.length * 7 / 8))]
            # Turns of 12 tokens: two thirds of them are the user's.
            labels = [token if not chat or i % 12 >= 8 else -100 for i, token in enumerate(ids)]
            file.write(json.dumps({"input_ids": ids, "labels": labels}) + "\n")


def plan(folder: pathlib.Path, options: argparse.Namespace) -> pathlib.Path:
    rows = folder / "rows.jsonl"
    write_rows(rows, options)
    path = folder / "plan.json"
    path.write_text(json.dumps({
        "planVersion": 1, "jobId": "bench", "attempt": 1, "device": "cpu",
        "configuration": {
            "model": {"baseModel": "demo", "precision": options.precision},
            "datasets": {"format": "tokenized", "shuffle": False, "trainSplit": 1.0},
            "method": methods.METHODS[options.method],
            "schedule": {"maxSteps": options.steps, "batchSize": options.batch, "evaluations": 0,
                         "checkpoints": 0, "sequenceLength": max(512, options.length)},
            "optimizer": {"learningRate": 1e-4}},
        "paths": {"baseModel": str(options.model), "train": str(rows), "validation": None,
                  "output": str(folder / "out"), "initAdapter": None},
        "distributed": {"worldSize": 1}}))
    return path


def run_lathe(options: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory(prefix="lathe-bench-") as name:
        folder = pathlib.Path(name)
        path = plan(folder, options)
        log = folder / "out/events.jsonl"
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        begin = time.time()
        process = subprocess.Popen([str(options.trainer), "run", str(path)], env=environment)
        seen: dict[str, float] = {}
        while process.poll() is None:
            text = log.read_text() if len(seen) < 2 and log.exists() else ""
            for key, mark in (("startToFirstStep", '"training"'), ("startToItsEnd", '"metric"')):
                if mark in text:
                    seen.setdefault(key, time.time() - begin)
            time.sleep(0.005)
        if process.returncode != 0:
            sys.exit(f"lathe-trainer left with {process.returncode}")
        events = [json.loads(line) for line in log.read_text().splitlines()]
        speeds = [e["tokensPerSecond"] for e in events if e["type"] == "metric"][1:]
        best = max(speeds) if options.data == "random" else statistics.median(speeds)
        return {**seen, "tokensPerSecond": best,
                "peakRssMb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def run_peer(options: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory(prefix="lathe-bench-") as name:
        rows = pathlib.Path(name) / "rows.jsonl"
        write_rows(rows, options)
        command = [options.peer_python, str(pairs.ROOT / "tests/bench/peer_peft.py"), options.peer_model,
                   options.precision, str(rows),
                   *(str(n) for n in (options.threads, options.batch, options.steps)),
                   options.method]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        answer = subprocess.run(command, capture_output=True, text=True, check=True,
                                env=environment)
    result = json.loads(answer.stdout.splitlines()[-1])
    speeds = result.pop("tokensPerSecond")[1:]
    best = max(speeds) if options.data == "random" else statistics.median(speeds)
    return {**result, "tokensPerSecond": best}


def main() -> None:
    parser = pairs.make_parser(__doc__)
    parser.add_argument("--method", choices=["lora", "dora", "full"], default="lora")
    parser.add_argument("--data", choices=["random", "chat"], default="random")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    ours, peers = [], []
    for number in range(1, options.rounds + 1):
        ours.append(pairs.run_apart(lambda: run_lathe(options)))
        peers.append(run_peer(options))
        print(f"round {number}: lathe {ours[-1]}\n         peft  {peers[-1]}", flush=True)

    print(f"\n{options.method}, {options.precision}, {options.threads} threads, {options.data} {options.batch} x "
          f"{options.length}: medians, and the ratio lathe : peft")
    pairs.print_medians(("startToFirstStep", "startToItsEnd", "tokensPerSecond", "peakRssMb"), ours,
                        peers)


main()
