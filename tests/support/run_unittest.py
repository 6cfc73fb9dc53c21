#!/usr/bin/env python3
"""Runs one unittest file and, where GTEST_OUTPUT asks for it, leaves its cases as XML beside those of
the GoogleTest programs, so that one count covers both: run_unittest.py FILE."""
import importlib.util
import os
import pathlib
import sys
import unittest
import xml.etree.ElementTree as ElementTree


class RecordingResult(unittest.TextTestResult):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cases: list[tuple[str, str]] = []

    def addSuccess(self, test):
        super().addSuccess(test)
        self.cases.append((test.id(), "passed"))

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.cases.append((test.id(), "failed"))

    def addError(self, test, error):
        super().addError(test, error)
        self.cases.append((test.id(), "failed"))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.cases.append((test.id(), "skipped"))

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:  # Of a test some of whose parts fail, nothing else is told.
            self.cases.append((subtest.id(), "failed"))


def write_cases(path: pathlib.Path, cases: list[tuple[str, str]]) -> None:
    suite = ElementTree.Element("testsuite")
    for name, outcome in cases:
        case = ElementTree.SubElement(suite, "testcase", name=name, status="run",
                                      result="skipped" if outcome == "skipped" else "completed")
        if outcome == "failed":
            ElementTree.SubElement(case, "failure")
    ElementTree.ElementTree(suite).write(path)


def main() -> int:
    file = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # where unittest looks for setUpModule
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=RecordingResult)
    result = runner.run(suite)
    output = os.environ.get("GTEST_OUTPUT", "")
    if output.startswith("xml:"):
        name = f"{file.parent.name}_{file.stem}"
        write_cases(pathlib.Path(output.removeprefix("xml:")) / f"{name}.xml", result.cases)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
