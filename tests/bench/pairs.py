"""Two programs measured in turn, and what comes of it."""
import argparse
import json
import os
import pathlib
import statistics

ROOT = pathlib.Path(__file__).resolve().parents[2]


def make_parser(description: str) -> argparse.ArgumentParser:
    """With the options that every comparison of lathe-trainer with a Python program has."""
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--peer-model", required=True)
    parser.add_argument("--trainer", default=ROOT / "build/release/bin/lathe-trainer")
    parser.add_argument("--model", default=cache / "lathe/models/smollm2-135m-instruct.gguf")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    return parser


def run_apart(measure) -> dict:
    """What measure() returns, run in a process of its own: RUSAGE_CHILDREN keeps the largest child
    that a process has had."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(measure()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        result = json.loads(pipe.read())
    os.wait()
    return result


def print_medians(keys: tuple, ours: list[dict], peers: list[dict]) -> None:
    """A line a key that was measured: median of ours, median of the peer's, ours : peer's."""
    for key in keys:
        if key not in ours[0]:
            continue
        mine, other = (statistics.median(row[key] for row in rows) for rows in (ours, peers))
        print(f"  {key:17} {mine:9.2f} {other:9.2f}   {mine / other:.2f}")
