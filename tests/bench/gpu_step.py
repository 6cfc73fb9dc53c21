"""Steps of an 8B model with random weights on one GPU: tokens/s, model FLOP/s and memory.

Writes results.json and summary.md into --out; nothing is downloaded. Each case is a process of its
own, so that its memory is its own. Model FLOPs are 4 for each parameter and token: forward, and
backward without the gradients of frozen weights. A case that does not fit is told as such.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

SHAPES = pathlib.Path(__file__).parent / "shapes"
COMMON = ["--sequence-length", "4096", "--rank", "16"]
# name, arguments
CASES = [
    ("LoRA bf16, 1 x 4096", ["--batch-size", "1"]),
    ("LoRA bf16, 2 x 4096", ["--batch-size", "2"]),
    ("LoRA bf16, 4 x 4096", ["--batch-size", "4"]),
    ("LoRA bf16, 4 x 4096, 8 documents in each", ["--batch-size", "4", "--documents", "8"]),
    ("LoRA bf16, 4 x 4096, gradient checkpointing",
     ["--batch-size", "4", "--gradient-checkpointing"]),
    ("LoRA bf16, 4 x 4096, activation offloading",
     ["--batch-size", "4", "--activation-offloading"]),
    ("QLoRA NF4, 2 x 4096", ["--batch-size", "2", "--quantization", "nf4"]),
    ("QLoRA NF4, 4 x 4096", ["--batch-size", "4", "--quantization", "nf4"]),
    ("QLoRA int8, 4 x 4096", ["--batch-size", "4", "--quantization", "int8"]),
]


def measure(trainer: str, arguments: list[str], steps: int) -> dict:
    command = [trainer, "bench-step", str(SHAPES / "llama_3_8b"), "--device", "cuda:0",
               "--steps", str(steps), "--json", *COMMON, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        return {"error": lines[0], "outOfMemory": "out of memory" in answer.stderr}
    return json.loads(answer.stdout)


def table(results: dict) -> str:
    lines = ["| case | tokens/s | model TFLOP/s (4N) | GiB at the peak | median step |",
             "|---|---|---|---|---|"]
    for name, r in results.items():
        if "error" in r:
            lines.append(f"| {name} | {r['error']} | | | |")
            continue
        step = sorted(r["stepSeconds"])[len(r["stepSeconds"]) // 2]
        lines.append(f"| {name} | {r['tokensPerSecond']:,.0f} | {r['modelFlops'] / 1e12:.0f} "
                     f"| {r['memoryBytes'] / 2**30:.1f} | {step:.3f} s |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true", help="two steps a case")
    arguments = parser.parse_args()
    trainer = str(pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer")
    results = {}
    for name, options in CASES:
        results[name] = measure(trainer, options, 2 if arguments.quick else 8)
        print(name, json.dumps(results[name]), flush=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    summary = table(results)
    (arguments.out / "summary.md").write_text(summary)
    print(summary)
    broken = [name for name, r in results.items() if "error" in r and not r["outOfMemory"]]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
