"""What the tests of this folder in Python run: lathe-trainer, and the programs that it is compared with."""
import os
import pathlib
import subprocess
import sys
import textwrap

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
GOLDEN = SOURCE / "tests/golden"
TRAINER = pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer"

sys.path.append(str(SOURCE / "tests/environments"))
import environments  # noqa: E402

DEMO = environments.CACHE / "models/smollm2-135m-instruct.gguf"


def trainer(*arguments, **options):
    """What it prints."""
    return subprocess.run([str(TRAINER), *map(str, arguments)], check=True, timeout=300, text=True,
                          stdout=subprocess.PIPE, **options).stdout


def peer(script, *arguments):
    """What a script prints in the Python that has PEFT, transformers, gguf and llama.cpp."""
    answer = subprocess.run([environments.python_of("peft"), "-c", textwrap.dedent(script),
                             *map(str, arguments)],
                            capture_output=True, text=True, timeout=400, check=False,
                            env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert answer.returncode == 0, answer.stderr[-2000:]
    return answer.stdout
