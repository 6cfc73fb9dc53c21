"""Two programs measured in turn, and what comes of it."""
import json
import os
import statistics


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
