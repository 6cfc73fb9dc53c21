#!/usr/bin/env python3
"""The Python packages that tests hold Lathe against, in virtual environments with pinned versions.

usage: environments.py missing TORCH         prints the names of those that are not as they should be
       environments.py install NAME TORCH    makes such a one, anew

requirements/NAME.txt says what an environment has. One that asks for `torch` sees the wheel whose folder is
TORCH and does not install another. They lie in ~/.cache/lathe/tests, below XDG_CACHE_HOME where that is set.
"""
import fcntl
import os
import pathlib
import subprocess
import sys
import venv

REQUIREMENTS = pathlib.Path(__file__).resolve().parent / "requirements"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lathe"
FOLDER = CACHE / "tests"
NAMES = sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


class NotInstalled(Exception):
    """Says what is missing and what brings it."""


def requirements(name: str) -> list[str]:
    lines = (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    without_comments = (line.partition("#")[0].strip() for line in lines)
    return [line for line in without_comments if line]


def record(name: str) -> str:
    """What an environment was made of, as it is left in it."""
    return "\n".join([*requirements(name), f"Python {sys.version_info.major}.{sys.version_info.minor}"])


def packages_of(name: str) -> pathlib.Path:
    """The folder that its packages are imported from. NotInstalled where it has others, or is not there."""
    made_of = FOLDER / name / "installed"
    if not made_of.exists() or made_of.read_text() != record(name):
        raise NotInstalled(f"{FOLDER / name} has not what {REQUIREMENTS / name}.txt asks for; "
                           "deploy/setup --tests installs it")
    return site_packages(FOLDER / name)


def python_of(name: str) -> pathlib.Path:
    """Its interpreter. NotInstalled as for packages_of()."""
    packages_of(name)
    return FOLDER / name / "bin/python"


def site_packages(folder: pathlib.Path) -> pathlib.Path:
    return folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def is_missing(name: str, torch: pathlib.Path) -> bool:
    """Whether it is not installed, or refers to another torch."""
    try:
        link = packages_of(name) / "torch.pth"
    except NotInstalled:
        return True
    return link.exists() and link.read_text() != f"{torch.parent}\n"


def install(name: str, torch: pathlib.Path) -> None:
    """SystemExit, with what can be done, where it fails. Of two at once the second waits, and finds it done."""
    folder = FOLDER / name
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock = open(FOLDER / "lock", "w", encoding="utf-8")  # Until the process ends.
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not is_missing(name, torch):
        return
    venv.create(folder, clear=True, symlinks=True)
    python = folder / "bin/python"
    if "torch" in requirements(name):
        (site_packages(folder) / "torch.pth").write_text(f"{torch.parent}\n")
        # Else pip would fetch one, ten times as large as all the rest.
        if subprocess.run([python, "-W", "ignore", "-c", "import torch"], check=False).returncode != 0:
            sys.exit(f"error: the torch wheel in {torch} is not one that {sys.executable} can import")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-cache-dir",
           "--no-compile", "--disable-pip-version-check", "-r", str(REQUIREMENTS / f"{name}.txt")]
    if subprocess.run(pip, check=False).returncode != 0:
        sys.exit(f"error: pip could not install what {REQUIREMENTS / name}.txt asks for\n"
                 "hint: without a package index, give it a folder of wheels: "
                 "PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR deploy/setup --tests")
    (folder / "installed").write_text(record(name))


def main(arguments: list[str]) -> int:
    match arguments:
        case ["missing", torch]:
            print("\n".join(name for name in NAMES if is_missing(name, pathlib.Path(torch))))
        case ["install", name, torch] if name in NAMES:
            install(name, pathlib.Path(torch))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
