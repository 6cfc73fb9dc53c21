"""The targets that the CMakeLists files declare: sources and dependencies, read as text.

Only the project's own functions (lathe_add_library, lathe_add_test) and plain add_executable with
target_link_libraries are understood; that is all the project uses.
"""

import os
import re

_CALL = re.compile(r"^[ \t]*(lathe_add_library|lathe_add_test|add_executable|target_link_libraries"
                   r"|target_sources)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)", re.MULTILINE)
_KEYWORDS = {"SOURCES", "PUBLIC", "PRIVATE", "INTERFACE", "DEPS", "ENVIRONMENT", "TIMEOUT"}


class Target:
    """A library, program or test; `name` is as dependents write it (lathe::x for libraries)."""

    def __init__(self, name, folder, line):
        self.name, self.folder, self.line = name, folder, line
        self.sources, self.public, self.private = [], [], []
        self.is_library = False

    @property
    def cmake_file(self):
        return os.path.join(self.folder, "CMakeLists.txt")


def _arguments(text):
    """{keyword: [words]} with the words before any keyword under ''."""
    words = re.sub(r"#[^\n]*", "", text).split()
    sorted_words, keyword = {"": []}, ""
    for word in words:
        if word in _KEYWORDS:
            keyword = word
            sorted_words.setdefault(keyword, [])
        else:
            sorted_words[keyword].append(word.strip('"'))
    return sorted_words


def _paths(folder, words):
    return [os.path.normpath(os.path.join(folder, word)) for word in words if "$" not in word]


def _canonical(name):
    """lathe_x and lathe::x are one target."""
    return re.sub(r"^lathe_(?=\w)", "lathe::", name)


def _apply(command, arguments, folder, line, targets):
    name = arguments[""][0]
    if command == "lathe_add_library":
        target = targets.setdefault("lathe::" + name, Target("lathe::" + name, folder, line))
        target.is_library = True
        target.sources += _paths(folder, arguments.get("SOURCES", []))
        target.public += arguments.get("PUBLIC", [])
        target.private += arguments.get("PRIVATE", [])
    elif command == "lathe_add_test":
        target = targets.setdefault(name, Target(name, folder, line))
        target.sources += _paths(folder, arguments.get("SOURCES", []))
        target.private += arguments.get("DEPS", [])
    elif command == "add_executable":
        target = targets.setdefault(name, Target(name, folder, line))
        target.sources += _paths(folder, arguments[""][1:])
    else:
        target = targets.get(name) or targets.get(_canonical(name))
        if target is None:
            return
        if command == "target_sources":
            for words in arguments.values():
                target.sources += _paths(folder, [w for w in words if w.endswith((".cc", ".cu"))])
            return
        target.public += arguments.get("PUBLIC", []) + arguments.get("INTERFACE", [])
        target.private += arguments.get("PRIVATE", []) + arguments[""][1:]


def read_targets(tree):
    """All declared targets by name."""
    targets = {}
    for path in tree.files:
        if os.path.basename(path) != "CMakeLists.txt":
            continue
        text = tree.read(path)
        for match in _CALL.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            _apply(match.group(1), _arguments(match.group(2)), os.path.dirname(path), line, targets)
    return targets


def visible(target, targets):
    """Names whose headers a target may include: itself, what it declares, and their public ones."""
    seen, waiting = set(), list(target.public + target.private)
    while waiting:
        name = _canonical(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        if name in targets:
            waiting += targets[name].public
    return seen | {target.name}
