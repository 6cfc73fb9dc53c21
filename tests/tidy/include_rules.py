"""Who may include what: direction between rooms, purity, and the libraries a target declares."""

import os
import re

import cmake_targets
import rooms
from source_tree import CPP_SUFFIXES, Violation, blank_literals, line_of


def include_direction(tree):
    """Arrows point down the list of rooms, never up, and never in a circle."""
    edges = {}
    for path in tree.product_cpp():
        room = rooms.room_of(path)
        if room is None:
            yield Violation(path, 1, "lies in no known room",
                            "move it, or add its room to tests/tidy/rooms.py in the right tier")
            continue
        for line, _, included in tree.includes(path):
            target = rooms.room_of(included)
            if target is None or target == room:
                continue
            if rooms.tier_of(target) > rooms.tier_of(room):
                yield Violation(path, line, f"{room} includes {included} from the higher {target}",
                                "move the shared part down, or turn the dependency round")
            edges.setdefault(room, {}).setdefault(target, (path, line))
    yield from _circles(edges)


def _circles(edges):
    for room, targets in sorted(edges.items()):
        for target, (path, line) in sorted(targets.items()):
            if room < target and room in edges.get(target, {}):
                yield Violation(path, line, f"{room} and {target} include each other",
                                "move the shared part to a room below both")


def forbidden_includes(tree):
    """Rooms that must not know of each other, or of a library."""
    for path in tree.product_cpp():
        for line, _, included in tree.includes(path):
            for folders, pattern, why in rooms.FORBIDDEN:
                if path.startswith(tuple(folder + "/" for folder in folders)) and re.search(
                        pattern, included) and not _trainer_exception(path, included):
                    yield Violation(path, line, f"must not include {included}", why)


def _trainer_exception(path, included):
    """The daemon's and the trainer's own files share the prefix worker/; torch is the trainer's."""
    return path.startswith("worker/trainer/") and included.startswith("worker/trainer/")


def pure_rooms(tree):
    """Pure rooms include the standard library, each other and the pure base headers only."""
    for path in tree.product_cpp():
        if rooms.room_of(path) not in rooms.PURE:
            continue
        for line, quote, included in tree.includes(path):
            reason = _impure_include(quote, included)
            if reason:
                yield Violation(path, line, f"a pure room includes {included}: {reason}",
                                "pass the value in as an argument, or move this to a shell room")
        yield from _banned_words(path, tree.read(path))


def _impure_include(quote, included):
    if quote == "<":
        if included.endswith(".h") or "/" in included:
            return None if included == "tl/expected.hpp" else "not the standard library"
        return "I/O or threads" if included in rooms.IMPURE_STANDARD_HEADERS else None
    if included.startswith("common/base/"):
        name = included.removeprefix("common/base/")
        return None if name in rooms.PURE_BASE_HEADERS else "not a pure header of common/base"
    return None if rooms.room_of(included) in rooms.PURE else "not a pure room"


def _banned_words(path, text):
    code = blank_literals(text)
    for word in rooms.BANNED_IN_PURE:
        # Bare C functions count as calls only; what is qualified counts wherever it stands.
        needs_call = word.islower() and "::" not in word and not word.endswith(
            ("_clock", "_device", "stream"))
        pattern = r"(?<![\w.>])" + re.escape(word) + (r"\s*\(" if needs_call else r"\b")
        for match in re.finditer(pattern, code):
            yield Violation(path, line_of(code, match.start()), f"a pure room uses {word}",
                            "take time, randomness and input as arguments")


def declared_dependencies(tree):
    """A target declares the library of every project header that its files include."""
    targets = cmake_targets.read_targets(tree)
    libraries = [target for target in targets.values() if target.is_library]
    for target in targets.values():
        seen = cmake_targets.visible(target, targets)
        for path in _files_of(tree, target, libraries):
            for line, quote, included in tree.includes(path):
                if included.endswith(".inc"):
                    continue  # Text with nothing to link.
                owners = _owners(tree, included, libraries)
                if owners and not owners & seen:
                    wanted = " or ".join(sorted(owners))
                    yield Violation(path, line, f"{target.name} includes {included} undeclared",
                                    f"add {wanted} to {target.cmake_file}:{target.line}")


def _files_of(tree, target, libraries):
    """Its sources, and the headers that belong to it."""
    files = [path for path in target.sources if path in tree.files]
    if target.is_library:
        files += [path for path in tree.with_suffix(".h")
                  if _owners(tree, path, libraries) == {target.name}]
    return files


def _owners(tree, header, libraries):
    """The libraries that may provide a header: by its twin source, else by its folder."""
    if header.startswith("lathe/v1/"):
        return {"lathe::proto"}
    if header not in tree.files:
        return set()
    twin = os.path.splitext(header)[0] + ".cc"
    by_twin = {library.name for library in libraries if twin in library.sources}
    if by_twin:
        return by_twin
    folder = os.path.dirname(header)
    return {library.name for library in libraries if library.folder == folder}


def registered_sources(tree):
    """A source that no target names is never compiled: a test that never runs."""
    named = {path for target in cmake_targets.read_targets(tree).values()
             for path in target.sources}
    listed = "\n".join(tree.read(path) for path in tree.files
                       if os.path.basename(path) == "CMakeLists.txt" or path.endswith(".cmake"))
    for path in tree.with_suffix(*[s for s in CPP_SUFFIXES if s not in (".h", ".cuh")]):
        if path in named or re.search(rf"(?<![\w.]){re.escape(os.path.basename(path))}", listed):
            continue
        yield Violation(path, 1, "is in no CMakeLists.txt",
                        "name it in the SOURCES of its target, or remove it")


RULES = {
    "include_direction": include_direction,
    "forbidden_includes": forbidden_includes,
    "pure_rooms": pure_rooms,
    "declared_dependencies": declared_dependencies,
    "registered_sources": registered_sources,
}
