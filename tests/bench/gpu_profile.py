"""Which kernels a training step's time goes to, by Nsight Compute: two layers of the 8B shape, one
step of 4 x 4096 tokens. Writes profile.md; skipped, with the reason, where ncu is not installed or
may not read the GPU's counters.

ncu times each kernel alone: shares are what to read, not sums.
"""
import argparse
import collections
import csv
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys

SHAPE = pathlib.Path(__file__).parent / "shapes" / "llama_3_8b_two_layers"
METRIC = "gpu__time_duration.sum"


def short(name: str) -> str:
    """A kernel's name without return type, arguments and template arguments."""
    name = re.sub(r"<.*", "", name.replace("void ", "")).split("(")[0]
    return name.split("::")[-1] or name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    ncu = shutil.which("ncu")
    if ncu is None:
        print("skipped: ncu is not installed here")
        return 0
    trainer = pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer"
    answer = subprocess.run(
        [ncu, "--csv", "--metrics", METRIC, "--clock-control", "none", str(trainer), "bench-step",
         str(SHAPE), "--device", "cuda:0", "--batch-size", "4", "--warmup", "0", "--steps", "1",
         "--json"], capture_output=True, text=True, check=False, timeout=500)
    start = answer.stdout.find('"ID"')
    if answer.returncode != 0 or start < 0:
        print("skipped: ncu could not measure:", (answer.stdout + answer.stderr).strip()[-500:])
        return 0
    seconds, calls = collections.Counter(), collections.Counter()
    for row in csv.DictReader(io.StringIO(answer.stdout[start:])):
        if row.get("Metric Name") != METRIC:
            continue
        unit = {"nsecond": 1e-9, "ns": 1e-9, "usecond": 1e-6, "us": 1e-6, "msecond": 1e-3,
                "ms": 1e-3}.get(row["Metric Unit"], 1e-9)
        name = short(row["Kernel Name"])
        seconds[name] += float(row["Metric Value"].replace(",", "")) * unit
        calls[name] += 1
    total = sum(seconds.values())
    lines = ["| kernel | calls | ms | share |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {calls[name]} | {1e3 * time:.2f} | {100 * time / total:.1f} % |"
              for name, time in seconds.most_common(30)]
    (arguments.out / "profile.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
