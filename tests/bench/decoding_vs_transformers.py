#!/usr/bin/env python3
"""`lathe-trainer generate` beside transformers' generate on the demo model, alternately in one run.

usage: decoding_vs_transformers.py --peer-python PYTHON --peer-model DIR [--rounds 3] [--threads 2]
                                   [--precision fp32] [--batch 1] [--tokens 128]

PYTHON is an interpreter with torch, transformers and peft; DIR is the demo model as a Hugging Face
folder (tests/golden/demo_adapter/make_reference.py --export DIR writes it). Both continue the same
prompts, all at once, by the likeliest tokens, with the same LoRA adapter (r=8 on every linear layer)
and a cache of keys. Prints each round, then the ratios of the medians: seconds from process start
to a loaded model and to the first token (of a single prompt), new tokens a second of all answers
together with the prompts' own time, peak memory.
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import pairs

PEER = str(pairs.ROOT / "tests/bench/peer_generate.py")
PROMPTS = [
    "The history of bread begins long before the first written records. In the villages along the "
    "river, people ground wild grain between stones, mixed the flour with water and baked it on the "
    "hot ashes of a fire. What follows is an account of how that craft changed over the centuries.",
    "Once upon a time, in a town between two mountains, there lived a clockmaker who had never left "
    "his street. Every morning he opened his shutters, wound the great clock of the town hall and",
    "A distributed system is a collection of computers that appears to its users as one. Building "
    "such a system is difficult because messages can be lost and machines can fail. The main ideas",
    "Here is a list of the planets of the solar system, and for each of them a paragraph about what "
    "it is made of, how far it is from the sun and what a visitor would see there:\n\n1. Mercury",
]


def environment(options: argparse.Namespace) -> dict:
    return {**os.environ, "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}


def token_ids(options: argparse.Namespace, prompt: str) -> list[int]:
    answer = subprocess.run([str(options.trainer), "tokenize", str(options.model)],
                            input=json.dumps(prompt) + "\n", capture_output=True, text=True,
                            check=True)
    return json.loads(answer.stdout)["ids"]


def run_lathe(options: argparse.Namespace, folder: pathlib.Path) -> dict:
    command = [str(options.trainer), "generate", str(options.model), "--raw", "--json",
               "--adapter", str(folder / "adapter"), "--precision", options.precision,
               "--max-tokens", str(options.tokens)]
    if options.batch > 1:
        command += ["--prompts", str(folder / "prompts.txt")]
    begin = time.time()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=environment(options))
    if options.batch == 1:
        process.stdin.write(PROMPTS[0])
    process.stdin.close()
    first, done = None, None
    for line in process.stdout:
        first = first or time.time() - begin
        if "done" in (answer := json.loads(line)):
            done, end = answer, time.time() - begin
    if process.wait() != 0:
        sys.exit(f"lathe-trainer left with {process.returncode}")
    seconds = done["milliseconds"] / 1000
    return {"load": end - seconds, **({"startToFirstToken": first} if options.batch == 1 else {}),
            "tokensPerSecond": done["tokens"] / seconds, "tokens": done["tokens"],
            "peakRssMb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def run_peer(options: argparse.Namespace, folder: pathlib.Path) -> dict:
    answer = subprocess.run(
        [options.peer_python, PEER, options.peer_model, str(folder / "adapter"), options.precision,
         str(folder / "prompts.json"), str(options.threads), str(options.tokens)],
        capture_output=True, text=True, check=True, env=environment(options))
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    parser = pairs.make_parser(__doc__)
    parser.add_argument("--batch", type=int, choices=range(1, len(PROMPTS) + 1), default=1)
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    ours, peers = [], []
    with tempfile.TemporaryDirectory(prefix="lathe-bench-") as name:
        folder = pathlib.Path(name)
        prompts = PROMPTS[:options.batch]
        (folder / "prompts.json").write_text(json.dumps([token_ids(options, p) for p in prompts]))
        (folder / "prompts.txt").write_text("".join(json.dumps(p) + "\n" for p in prompts))
        subprocess.run([options.peer_python, PEER, "--make-adapter", options.peer_model,
                        str(folder / "adapter")], capture_output=True, check=True)
        for number in range(1, options.rounds + 1):
            ours.append(pairs.run_apart(lambda: run_lathe(options, folder)))
            peers.append(run_peer(options, folder))
            print(f"round {number}: lathe {ours[-1]}\n         peer  {peers[-1]}", flush=True)

    print(f"\n{options.precision}, {options.threads} threads, {options.batch} x {options.tokens} new "
          f"tokens: medians, and the ratio lathe : transformers")
    pairs.print_medians(("load", "startToFirstToken", "tokensPerSecond", "peakRssMb"), ours, peers)


main()
