"""What outside tools say: clang-format, ldd. A missing tool or program skips the rule."""

import os
import re
import shutil
import subprocess

from source_tree import CPP_SUFFIXES, Violation


class Skipped(Exception):
    """The rule cannot be checked here; says why."""


def formatting(tree):
    """One layout, made by clang-format 14, so that no diff and no review is about layout."""
    tool = _clang_format()
    files = tree.with_suffix(*CPP_SUFFIXES)
    shown = subprocess.run([tool, "--dry-run", "--style=file", *files], cwd=tree.root,
                           capture_output=True, text=True, check=False)
    places = dict.fromkeys(re.findall(r"^(\S+?):(\d+):\d+: warning", shown.stderr, re.MULTILINE))
    first = {}
    for path, line in places:
        first.setdefault(path, line)
    for path, line in first.items():
        yield Violation(path, line, "is not formatted", f"clang-format-14 -i {path}")


def _clang_format():
    for name in ("clang-format-14", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True,
                                     check=False).stdout
            if re.search(r"version 14\.", version):
                return name
    raise Skipped("clang-format 14 is not installed")


def trainer_libraries(tree):
    """The trainer starts fast and runs where only a torch wheel is: no gRPC, protobuf, Redis."""
    program = os.path.join(tree.build or "", "bin", "lathe-trainer")
    if not os.path.exists(program):
        raise Skipped("lathe-trainer is not built")
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for name in sorted(set(re.findall(r"lib(?:grpc|protobuf|hiredis)[\w+-]*", linked))):
        yield Violation("worker/trainer/CMakeLists.txt", 1, f"lathe-trainer is linked to {name}",
                        "find the target that brings it with `ninja -t query`, and drop it")


RULES = {"formatting": formatting, "trainer_libraries": trainer_libraries}
