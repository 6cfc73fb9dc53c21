#!/usr/bin/env python3
"""Every rule is seen to pass on a small good tree, and to fail once the tree is spoilt."""

import os
import shutil
import subprocess
import tempfile
import unittest

import include_rules
import shape_rules
import tidy
import tool_rules
from source_tree import SourceTree

GOOD = {
    "CMakeLists.txt": "",
    "README.md": "",
    "common/README.md": "",
    "common/base/README.md": "",
    "common/base/CMakeLists.txt": "lathe_add_library(base SOURCES log.cc)\n",
    "common/base/result.h": "#pragma once\n",
    "common/base/log.h": "#pragma once\n",
    "common/base/log.cc": '#include "common/base/log.h"\n',
    "common/domain/README.md": "",
    "common/domain/CMakeLists.txt": "lathe_add_library(domain PUBLIC lathe::base)\n",
    "common/domain/job.h":
        '#pragma once\n\n#include <string>\n\n#include "common/base/result.h"\n',
    "coordinator/README.md": "",
    "coordinator/core/README.md": "",
    "coordinator/core/CMakeLists.txt":
        "lathe_add_library(core\n  SOURCES step.cc # the step\n  PUBLIC lathe::domain)\n",
    "coordinator/core/step.h": '#pragma once\n#include "common/domain/job.h"\n',
    "coordinator/core/step.cc":
        '#include "coordinator/core/step.h"\n\n'
        "namespace lathe {\n\n// getenv( in a comment is no call.\n"
        'void Step(int time_of_fork) {\n  Log("fopen(");\n}\n\n}  // namespace lathe\n',
    "proto/README.md": "",
    "proto/lathe/v1/x_configuration.proto":
        "message X {\n  optional int32 rank = 1 [(parameter) = {\n    min: 1\n    max: 256\n"
        '    help: "Width of the low-rank update; parameters and adapter "\n'
        '          "size grow with it."\n  }];\n}\n',
    "tests/README.md": "",
    "tests/core/CMakeLists.txt":
        "lathe_add_test(core_test unit SOURCES step_test.cc DEPS lathe::core)\n",
    "tests/core/step_test.cc": '#include "coordinator/core/step.h"\n',
}

LONG_FUNCTION = "void Long(int a,\n          int b) {\n" + "  a = b;\n" * 70 + "}\n"

# rule: (file, its new text, what the message must name)
SPOILT = {
    "include_direction": ("common/base/log.cc", '#include "common/domain/job.h"\n', "log.cc:1"),
    "forbidden_includes": ("coordinator/core/step.cc", '#include "worker/agent/a.h"\n', "only in"),
    "pure_rooms": ("common/domain/job.h", "#include <thread>\n", "threads"),
    "declared_dependencies":
        ("coordinator/core/CMakeLists.txt", "lathe_add_library(core SOURCES step.cc)\n",
         "lathe::domain"),
    "registered_sources": ("tests/core/new_test.cc", "\n", "new_test.cc"),
    "top_level": ("notes/plan.md", "", "notes"),
    "readmes": ("worker/CMakeLists.txt", "", "worker/README.md"),
    "file_length": ("common/base/log.cc", "int x;\n" * 601, "601"),
    "function_length": ("common/base/log.cc", LONG_FUNCTION, "Long has 73 lines"),
    "left_over_marks": ("common/base/log.cc", "// TO" + "DO: later\n", "log.cc:1"),
    "schema_strays": ("coordinator/core/step.cc", "bool Wrong(int rank) { return rank > 256; }\n",
                      "step.cc:1: has a bound or default of rank"),
    "formatting": ("common/base/log.cc", "int   x ;\n", "log.cc:1"),
}


class TidyTest(unittest.TestCase):

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="lathe-tidy-")
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in GOOD.items():
            self.write(path, text)
        self.write(".clang-format",
                   "BasedOnStyle: Google\nAllowShortFunctionsOnASingleLine: Inline\n")

    def write(self, path, text):
        target = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)

    def broken(self, rule):
        try:
            return [str(found) for found in tidy.RULES[rule](SourceTree(self.root, self.root))]
        except tool_rules.Skipped as reason:
            self.skipTest(str(reason))

    def test_good_tree_keeps_every_rule(self):
        for rule in SPOILT:
            with self.subTest(rule):
                self.assertEqual(self.broken(rule), [])

    def test_spoilt_tree_breaks_the_rule(self):
        for rule, (path, text, named) in SPOILT.items():
            with self.subTest(rule):
                self.setUp()
                self.write(path, text)
                found = self.broken(rule)
                self.assertTrue(found, "not noticed")
                self.assertIn(named, "\n".join(found))

    def test_copied_help_and_defaults_are_strays(self):
        for text in ('const char* kHelp = "the low-rank update; parameters and adapter "\n'
                     '    "size grow with it";\n',
                     "// Width of the low-rank update; parameters and\n// adapter size grow with it.\n",
                     "constexpr int kRank = 256;\n", "x = std::min(c.rank() <= 256, y);\n"):
            with self.subTest(text):
                self.write("coordinator/core/step.cc", text)
                self.assertEqual(len(self.broken("schema_strays")), 1)

    def test_other_numbers_beside_a_name_are_no_strays(self):
        self.write("coordinator/core/step.cc", "int frank = 256; int rank = 32; Frank(rank, 256);\n")
        self.assertEqual(self.broken("schema_strays"), [])

    def test_every_rule_is_seen_failing(self):
        self.assertEqual(set(tidy.RULES) - set(SPOILT), {"trainer_libraries"})

    def test_every_rule_is_registered_with_ctest(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "CMakeLists.txt"), encoding="utf-8") as file:
            registered = file.read()
        for rule in tidy.RULES:
            self.assertIn(rule, registered)

    def test_circle_within_a_tier(self):
        self.write("worker/process/launch.h", '#include "worker/devices/gpu.h"\n')
        self.write("worker/devices/gpu.h", '#include "worker/process/launch.h"\n')
        self.assertIn("include each other", "\n".join(self.broken("include_direction")))

    def test_banned_calls(self):
        for call in ("std::chrono::system_clock::now()", "std::random_device d", "getenv(\"A\")",
                     "std::mutex m", "std::this_thread::sleep_for(x)", "fopen(\"f\", \"r\")",
                     "::socket(1, 2, 3)"):
            with self.subTest(call):
                self.write("coordinator/core/step.cc", f"void Step() {{\n  {call};\n}}\n")
                self.assertIn("step.cc:2", "\n".join(self.broken("pure_rooms")))

    def test_pure_base_headers_only(self):
        self.write("common/domain/job.h", '#include "common/base/log.h"\n')
        self.assertEqual(len(self.broken("pure_rooms")), 1)

    def test_cli_knows_nothing_of_the_core(self):
        self.write("coordinator/cli/main.cc", '#include "coordinator/core/step.h"\n')
        self.assertEqual(len(self.broken("forbidden_includes")), 1)

    def test_trainer_knows_no_protobuf_and_daemon_no_torch(self):
        self.write("worker/trainer/data/read.cc", '#include "lathe/v1/job.pb.h"\n')
        self.write("worker/agent/agent.cc", "#include <ATen/ATen.h>\n")
        self.write("coordinator/api/api.cc", "#include <torch/torch.h>\n")
        self.write("worker/trainer/model/model.cc", "#include <ATen/ATen.h>\n")
        found = "\n".join(self.broken("forbidden_includes"))
        for path in ("read.cc", "agent.cc", "api.cc"):
            self.assertIn(path, found)
        self.assertNotIn("model.cc", found)

    def test_functions_are_told_from_types_and_tables(self):
        text = ("namespace a {\nstruct B {\n  int c() const { return 1; }\n  int d = f(2);\n};\n"
                "const int kTable[] = {1, 2};\nB::B(int x) : x_{x} {\n  if (x) {\n  }\n}\n}\n")
        names = [name for name, _, _ in shape_rules.functions(text)]
        self.assertEqual(names[0], "c")
        self.assertIn("B::B", names)

    def test_trainer_libraries(self):
        with self.assertRaises(tool_rules.Skipped):
            list(tool_rules.trainer_libraries(SourceTree(self.root, self.root)))
        os.makedirs(os.path.join(self.root, "bin"))
        os.symlink("/bin/true", os.path.join(self.root, "bin", "lathe-trainer"))
        self.assertEqual(self.broken("trainer_libraries"), [])

    def test_trainer_libraries_are_noticed(self):
        fake = subprocess.CompletedProcess([], 0, stdout="\tlibgrpc++.so.1 => /usr/lib (0x1)\n")
        os.makedirs(os.path.join(self.root, "bin"))
        self.write("bin/lathe-trainer", "")
        run, tree = tool_rules.subprocess.run, SourceTree(self.root, self.root)
        tool_rules.subprocess.run = lambda *_, **__: fake
        try:
            found = list(tool_rules.trainer_libraries(tree))
        finally:
            tool_rules.subprocess.run = run
        self.assertIn("libgrpc++", str(found[0]))

    def test_undeclared_include_of_a_test(self):
        self.write("tests/core/step_test.cc", '#include "common/base/log.h"\n')
        self.assertEqual(list(include_rules.declared_dependencies(SourceTree(self.root))), [])
        self.write("tests/core/CMakeLists.txt",
                   "lathe_add_test(core_test unit SOURCES step_test.cc DEPS lathe::none)\n")
        self.assertEqual(len(list(include_rules.declared_dependencies(SourceTree(self.root)))), 1)


if __name__ == "__main__":
    unittest.main()
