#!/usr/bin/env python3
"""Checks one rule of the house: tidy.py RULE --root DIR [--build DIR]; tidy.py --list.

Exit code 0: kept; 1: broken, with file:line and remedy a line; 77: cannot be checked here.
"""

import argparse
import sys

import include_rules
import schema_rules
import shape_rules
import tool_rules
from source_tree import SourceTree

RULES = {**include_rules.RULES, **shape_rules.RULES, **schema_rules.RULES,
         **tool_rules.RULES}
EXIT_SKIPPED = 77


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rule", nargs="?", choices=sorted(RULES))
    parser.add_argument("--root", default=".")
    parser.add_argument("--build")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list or not options.rule:
        print("\n".join(RULES))
        return 0
    try:
        violations = list(RULES[options.rule](SourceTree(options.root, options.build)))
    except tool_rules.Skipped as reason:
        print(f"skipped: {reason}")
        return EXIT_SKIPPED
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
