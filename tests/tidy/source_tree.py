"""The files of the project and what the rules need to read of them."""

import os
import re
import subprocess

CPP_SUFFIXES = (".h", ".cc", ".cu", ".cuh")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


class Violation:
    """One broken rule: where, what, and what to do about it."""

    def __init__(self, path, line, message, remedy):
        self.path, self.line, self.message, self.remedy = path, line, message, remedy

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message} — {self.remedy}"


class SourceTree:
    """The checked-out project at `root`; `build` is its build folder, or None."""

    def __init__(self, root, build=None):
        self.root, self.build = root, build
        self.files = sorted(self._list())

    def _list(self):
        listed = subprocess.run(
            ["git", "-C", self.root, "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], capture_output=True, check=False)
        if listed.returncode == 0:
            names = [name for name in listed.stdout.decode().split("\0") if name]
            return [name for name in names if os.path.isfile(os.path.join(self.root, name))]
        return self._walk()

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in (".git", "build", "__pycache__")]
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def read(self, path):
        """The text of a file; bytes that are not UTF-8 are replaced."""
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def with_suffix(self, *suffixes):
        return [path for path in self.files if path.endswith(suffixes)]

    def product_cpp(self):
        """C++ outside of tests."""
        return [path for path in self.with_suffix(*CPP_SUFFIXES) if not path.startswith("tests/")]

    def includes(self, path):
        """(line, quote character, included path) of each include."""
        text = self.read(path)
        return [(line_of(text, match.start(2)), match.group(1), match.group(2))
                for match in INCLUDE.finditer(text)]


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/'
    r'|R"(?P<mark>[^(\s]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'", re.DOTALL)


def blank_literals(text):
    """C++ text with comments and literals blanked, every line where it was."""
    return _LITERAL.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
