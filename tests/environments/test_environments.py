"""Environments are made by the real pip, without an index, from wheels and a torch that are made here."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

SCRIPT = pathlib.Path(__file__).with_name("environments.py")
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"


class Environments(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        shutil.copy(SCRIPT, self.root)
        (self.root / "requirements").mkdir()
        self.ask_for("torch  # not to be installed", "small==1.0")
        self.write_wheel("small", "1.0")
        self.torch = self.write_torch("packages")

    def ask_for(self, *lines):
        (self.root / "requirements/peer.txt").write_text("\n".join(["# What is needed.", *lines, ""]))

    def write_wheel(self, name, version):
        (self.root / "wheels").mkdir(exist_ok=True)
        with zipfile.ZipFile(self.root / f"wheels/{name}-{version}-py3-none-any.whl", "w") as wheel:
            about = f"{name}-{version}.dist-info"
            wheel.writestr(f"{name}.py", f"version = '{version}'\n")
            wheel.writestr(f"{about}/METADATA", METADATA.format(name, version))
            wheel.writestr(f"{about}/WHEEL",
                           "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", f"{name}.py,,\n")

    def write_torch(self, folder, content=""):
        about = self.root / folder / "torch-9.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(METADATA.format("torch", "9.0"))
        torch = self.root / folder / "torch"
        torch.mkdir()
        (torch / "__init__.py").write_text(content)
        return torch

    def run_python(self, *command):
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.root / "cache"), "PIP_NO_INDEX": "1",
                       "PIP_FIND_LINKS": str(self.root / "wheels"), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.run([sys.executable, *map(str, command)], env=environment, cwd=self.root,
                              capture_output=True, text=True, timeout=100)

    def script(self, *arguments):
        return self.run_python("environments.py", *arguments)

    def missing(self, torch=None):
        answer = self.script("missing", torch or self.torch)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return answer.stdout.split()

    def install(self):
        answer = self.script("install", "peer", self.torch)
        self.assertEqual(answer.returncode, 0, answer.stderr)

    def imported(self, module, what):
        answer = self.run_python("-c", "import environments, subprocess\n"
                                 "python = environments.python_of('peer')\n"
                                 f"subprocess.run([python, '-c', 'import {module}; print({what})'], "
                                 "check=True)")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return answer.stdout.strip()

    def test_what_is_asked_for_is_installed_once_and_torch_not_again(self):
        self.assertEqual(self.missing(), ["peer"])
        self.install()
        self.assertEqual(self.missing(), [])
        self.assertEqual(self.imported("small", "small.version"), "1.0")
        self.assertEqual(self.imported("torch", "torch.__file__"), str(self.torch / "__init__.py"))

    def test_two_at_once_make_one(self):
        with concurrent.futures.ThreadPoolExecutor() as both:
            for done in [both.submit(self.install) for _ in range(2)]:
                done.result()
        self.assertEqual(self.missing(), [])
        self.assertEqual(self.imported("small", "small.version"), "1.0")

    def test_another_version_is_installed_anew(self):
        self.install()
        self.write_wheel("small", "2.0")
        self.ask_for("torch", "small==2.0")
        refused = self.run_python("-c", "import environments; environments.python_of('peer')")
        self.assertIn("deploy/setup --tests installs it", refused.stderr)
        self.assertEqual(self.missing(), ["peer"])
        self.install()
        self.assertEqual(self.imported("small", "small.version"), "2.0")

    def test_another_torch_is_noticed(self):
        self.install()
        self.assertEqual(self.missing(self.write_torch("elsewhere")), ["peer"])

    def test_what_pip_cannot_find_is_an_error_that_says_what_to_do(self):
        self.ask_for("small==3.0")
        answer = self.script("install", "peer", self.torch)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("small==3.0", answer.stderr)
        self.assertIn("PIP_FIND_LINKS", answer.stderr)
        self.assertEqual(self.missing(), ["peer"])

    def test_a_torch_that_does_not_load_is_an_error(self):
        self.torch = self.write_torch("broken", "import nothing_of_this_name\n")
        answer = self.script("install", "peer", self.torch)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("nothing_of_this_name", answer.stderr)
        self.assertIn(str(self.torch), answer.stderr)
        self.assertEqual(self.missing(), ["peer"])

    def test_another_name_is_refused(self):
        self.assertEqual(self.script("install", "other", self.torch).returncode, 2)


if __name__ == "__main__":
    unittest.main()
