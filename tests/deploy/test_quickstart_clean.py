"""`deploy/quickstart --clean` removes what deploy/setup and the quickstart made, and nothing else. In a clone,
a home and folders of its own: nothing is installed, built or started."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "environments"))
import environments  # noqa: E402

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
# Files that setup makes, by what it says itself: a new one must be cleaned up too.
NAMED_BY_SETUP = set(re.findall(r'\$cache"?(/[\w./-]*\w)', (DEPLOY / "setup").read_text()))
MADE_BY_SETUP = {name for name in NAMED_BY_SETUP
                 if not any(other.startswith(name + "/") for other in NAMED_BY_SETUP)}
MADE_BY_SETUP |= {f"/{environments.FOLDER.name}/{name}/installed" for name in environments.NAMES}
# Of each folder that `lathe up` and the quickstart make in the data folder, one file.
MADE_BY_LATHE = ["address", "up.json", "up.lock", "secrets.key", "adapters/job-x/adapter_config.json",
                 "coordinator/blobs/x", "log/worker-1.log", "redis/appendonlydir/x", "run/x",
                 "worker-1/node-id", "worker-12/node-id"]
LATHE = '#!/bin/sh\necho "$@" >>"$HOME/calls"\n'


class QuickstartClean(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.home = self.root / "home"
        self.write("clone/README.md", "home/.bashrc", "clone/build/debug/bin/lathe")
        (self.root / "clone/deploy").mkdir()
        shutil.copy(DEPLOY / "quickstart", self.root / "clone/deploy")
        self.others = self.files()

    def write(self, *names, text=""):
        for name in names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def files(self):
        """All that there is, without empty folders; links are not followed."""
        found = set()
        for folder, _, names in os.walk(self.root):
            found.update(str(pathlib.Path(folder, name).relative_to(self.root)) for name in names)
        return found

    def make(self, cache, state):
        """What a quickstart leaves."""
        self.write(*(cache + name for name in MADE_BY_SETUP))
        self.write("clone/build/quickstart.log", *(f"{state}/{name}" for name in MADE_BY_LATHE))
        self.write("clone/build/release/bin/lathe", text=LATHE)
        (self.root / "clone/build/release/bin/lathe").chmod(0o755)

    def clean(self, option="--clean", **variables):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), **variables}
        return subprocess.run([self.root / "clone/deploy/quickstart", option], env=environment,
                              capture_output=True, text=True, timeout=60)

    def expect_cleaned(self, state, **variables):
        result = self.clean(**variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        calls = self.home / "calls"
        self.assertEqual(calls.read_text(), f"down --data-dir {self.root / state}\n", "what runs is stopped")
        calls.unlink()
        self.assertEqual(self.files(), self.others)
        again = self.clean(**variables)
        self.assertEqual((again.returncode, again.stderr), (0, ""))
        self.assertEqual(self.files(), self.others)

    def test_what_setup_makes_is_known(self):
        folders = {name.split("/")[1] for name in MADE_BY_SETUP}
        self.assertEqual(folders, {"torch", "torch.new", "tests", "models", "setup.log"})

    def test_folders_below_the_home(self):
        self.make("home/.cache/lathe", "home/.local/state/lathe")
        self.expect_cleaned("home/.local/state/lathe")
        self.assertFalse((self.home / ".cache/lathe").exists())
        self.assertFalse((self.root / "clone/build/release").exists())

    def test_what_others_keep_beside_it_stays(self):
        self.write("home/.cache/lathe/peft/bin/python", "home/.cache/lathe/models/mine.gguf",
                   "home/.cache/pip/x", "home/.local/state/lathe-of-mine/x",
                   "home/.local/state/lathe/notes", "home/.local/state/lathe/models/own/config.json")
        self.others = self.files()
        self.make("home/.cache/lathe", "home/.local/state/lathe")
        models = self.home / ".local/state/lathe/models"
        (models / "mine.gguf").symlink_to(self.home / ".cache/lathe/models/mine.gguf")
        (models / "folder").symlink_to(self.home / ".cache/lathe/peft")
        self.expect_cleaned("home/.local/state/lathe")

    def test_a_home_that_is_named_as_the_data_folder_stays(self):
        self.write("home/documents/thesis", "home/.cache/x")
        self.others = self.files()
        self.make("home/.cache/lathe", "home")
        self.expect_cleaned("home", LATHE_DATA_DIR=str(self.home))

    def test_folders_that_are_named(self):
        self.write("home/.cache/lathe/torch/x", "home/.local/state/lathe/x", "my state/lathe/x")
        self.others = self.files()
        self.make("my cache/lathe", "my data")
        self.expect_cleaned("my data", XDG_CACHE_HOME=str(self.root / "my cache"),
                            XDG_STATE_HOME=str(self.root / "my state"),
                            LATHE_DATA_DIR=str(self.root / "my data"))

    def test_where_nothing_is(self):
        result = self.clean()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(self.files(), self.others)

    def test_another_option_removes_nothing(self):
        self.make("home/.cache/lathe", "home/.local/state/lathe")
        before = self.files()
        result = self.clean("--cleann")
        self.assertEqual(result.returncode, 2)
        self.assertIn("unknown option --cleann", result.stderr)
        self.assertEqual(self.files(), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
