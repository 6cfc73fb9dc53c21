"""What lathe-trainer has put into its environment before the libraries that read it are loaded: seen where the
system shows a running program's environment, while it waits for its next line of input."""
import gzip
import os
import pathlib
import subprocess
import tempfile
import unittest

TRAINER = os.environ["LATHE_BINARY_DIR"] + "/lathe-trainer"
TOKENIZER = pathlib.Path(os.environ["LATHE_SOURCE_DIR"], "tests/golden/tokenizers/smollm2/tokenizer.json.gz")
SETTINGS = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "GLIBC_TUNABLES"]


def is_intel():
    return "GenuineIntel" in pathlib.Path("/proc/cpuinfo").read_text()


class LibrarySettings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.model = pathlib.Path(folder.name)
        (self.model / "tokenizer.json").write_bytes(gzip.decompress(TOKENIZER.read_bytes()))

    def environment_of(self, **given):
        known = {name: value for name, value in os.environ.items()
                 if name not in [*SETTINGS, "MKL_CBWR", "LATHE_LIBRARY_SETTINGS"]}
        trainer = subprocess.Popen([TRAINER, "tokenize", self.model], env={**known, **given}, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            trainer.stdin.write('"hello"\n')
            trainer.stdin.flush()
            self.assertIn("ids", trainer.stdout.readline())
            entries = pathlib.Path(f"/proc/{trainer.pid}/environ").read_bytes().decode().split("\0")
        finally:
            trainer.communicate()
        self.assertEqual(trainer.returncode, 0)
        names = [entry.partition("=")[0] for entry in entries if entry]
        self.assertEqual(len(names), len(set(names)), "a setting stands twice")
        return dict(entry.split("=", 1) for entry in entries if entry)

    def test_all_are_set(self):
        environment = self.environment_of()
        for name in SETTINGS:
            self.assertIn(name, environment)
        self.assertEqual(environment.get("MKL_CBWR"), "COMPATIBLE" if is_intel() else None)

    def test_what_is_given_stays_and_keeps_no_other_from_being_set(self):
        for name in SETTINGS:
            with self.subTest(name):
                value = "glibc.malloc.perturb=0" if name == "GLIBC_TUNABLES" else "7"
                environment = self.environment_of(**{name: value})
                self.assertEqual(environment[name], value)
                self.assertEqual({*SETTINGS} - {*environment}, set())
                self.assertEqual("MKL_CBWR" in environment, is_intel())

    def test_the_last_word_on_reproducible_products(self):
        self.assertEqual(self.environment_of(MKL_CBWR="AUTO")["MKL_CBWR"], "AUTO")


if __name__ == "__main__":
    unittest.main()
