#!/usr/bin/env python3
"""Counts test cases over the XML files of one run: count_results.py FOLDER.

GoogleTest programs are counted by their cases; tests of other kinds, and programs that died before
they could write their cases, by their entry in ctest's own report. The last line is the total.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def googletest_cases(path: pathlib.Path) -> dict[str, int]:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None:
            counts["failed"] += 1
        elif case.get("result") == "skipped" or case.find("skipped") is not None:
            counts["skipped"] += 1
        elif case.get("status") == "run":
            counts["passed"] += 1
    return counts


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    total = {"passed": 0, "failed": 0, "skipped": 0}
    failing = []
    reports = [folder / "ctest.xml", folder / "fuzz.xml"]  # of the build and of the fuzzers'
    tests = [test for report in reports if report.exists()
             for test in ElementTree.parse(report).getroot().iter("testcase")]
    for test in tests:
        name = test.get("name", "")
        cases = folder / f"{name}.xml"
        counts = googletest_cases(cases) if cases.exists() else {"passed": 0, "failed": 0, "skipped": 0}
        outcome = {"run": "passed", "fail": "failed"}.get(test.get("status", ""), "skipped")
        if sum(counts.values()) == 0 or (outcome == "failed" and counts["failed"] == 0):
            counts[outcome] += 1
        if outcome == "failed":
            failing.append(name)
        for kind, count in counts.items():
            total[kind] += count
    if failing:
        print("Failed: " + ", ".join(failing))
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or total["passed"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
