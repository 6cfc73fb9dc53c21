"""deploy/setup installs the Python environments of the tests with --tests, and without it leaves them alone.
In a clone and a home of their own, where torch, the demo model and the system's packages are there already; the
environments are made by the real pip, without an index, from a wheel that is made here."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import zipfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
INSTALLED = "#!/bin/sh\necho installed\n"
# Whatever asks for it is refused and written down.
REFUSED = '#!/bin/sh\necho "$0 $*" >>"$HOME/refused"\nexit 1\n'
PROGRAMS = {"dpkg-query": INSTALLED, "apt-get": REFUSED, "sudo": REFUSED}


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.cache = self.root / "home/.cache/lathe"
        self.environments = self.cache / "tests"
        for file in ("deploy/setup", "tests/environments/environments.py"):
            (self.root / "clone" / file).parent.mkdir(parents=True)
            shutil.copy(SOURCE / file, self.root / "clone" / file)
        for name in ("new", "outdated"):
            self.write(f"clone/tests/environments/requirements/{name}.txt", "small==1.0\n")
        for name, text in PROGRAMS.items():
            self.write(f"bin/{name}", text).chmod(0o755)
        self.write("torch/include/ATen/ATen.h")
        self.write("home/.cache/lathe/models/smollm2-135m-instruct.gguf")
        self.write_wheel()

    def write(self, name, text=""):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def write_wheel(self):
        (self.root / "wheels").mkdir()
        about = "small-1.0.dist-info"
        with zipfile.ZipFile(self.root / "wheels/small-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("small.py", "")
            wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL",
                           "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "small.py,,\n")

    def run_setup(self, *options):
        variables = {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "HOME": str(self.root / "home"),
                     "LATHE_TORCH_ROOT": str(self.root / "torch"), "PIP_NO_INDEX": "1",
                     "PIP_FIND_LINKS": str(self.root / "wheels"), "PIP_CONFIG_FILE": os.devnull}
        result = subprocess.run([self.root / "clone/deploy/setup", *options], env=variables,
                                capture_output=True, text=True, timeout=100)
        log = self.cache / "setup.log"
        self.assertEqual(result.returncode, 0, result.stderr + log.read_text())
        self.assertFalse((self.root / "home/refused").exists(), "all packages are there already")
        return result.stderr

    def made(self):
        """All that lies where the environments are, with when it was last written."""
        return {str(path.relative_to(self.environments)): (path.lstat().st_mtime_ns, path.read_bytes()
                                                           if path.is_file() else b"")
                for path in [self.environments, *self.environments.rglob("*")]}

    def test_without_the_option_none_is_made(self):
        self.assertEqual(self.run_setup(), "")
        self.assertFalse(self.environments.exists())

    def test_without_the_option_those_that_are_there_stay_as_they_are(self):
        for name in ("outdated/installed", "outdated/lib/old.py", "of-another-release/installed"):
            self.write(f"home/.cache/lathe/tests/{name}", "small==0.9")
        before = self.made()
        self.assertEqual(self.run_setup(), "")
        self.assertEqual(self.made(), before)

    def test_with_it_they_are_made_and_made_anew(self):
        self.write("home/.cache/lathe/tests/outdated/lib/old.py")
        said = self.run_setup("--tests")
        for name in ("new", "outdated"):
            self.assertIn(f"requirements/{name}.txt", said)
            self.assertEqual(len(list(self.environments.glob(f"{name}/lib/python3*/site-packages/small.py"))), 1)
        self.assertFalse((self.environments / "outdated/lib/old.py").exists())
        before = self.made()
        self.assertEqual(self.run_setup("--tests"), "", "nothing is missing any more")
        self.assertEqual(self.run_setup(), "")
        self.assertEqual(self.made(), before)


if __name__ == "__main__":
    unittest.main()
