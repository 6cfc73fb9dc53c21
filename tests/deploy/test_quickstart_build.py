"""The quickstart's build needs none of the libraries that only the tests use: its setup does not install them.
In a clone whose sources are links; CMake is the real one, told that those libraries are not there, and stops
when it has made the build files."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES_OF_TESTS = ["GTest", "rapidcheck"]
CMAKE = f"""#!/bin/sh
[ "$1" = --build ] && exit 1
exec {shutil.which("cmake")} "$@" {" ".join(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in LIBRARIES_OF_TESTS)}
"""


class QuickstartBuild(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.clone = self.root / "clone"
        (self.clone / "deploy").mkdir(parents=True)
        for name in os.listdir(SOURCE):
            if name not in ("build", "deploy", ".git"):
                (self.clone / name).symlink_to(SOURCE / name)
        shutil.copy(SOURCE / "deploy/quickstart", self.clone / "deploy")
        self.program("clone/deploy/setup", "#!/bin/sh\n")
        self.program("bin/cmake", CMAKE)

    def program(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def test_without_the_libraries_of_the_tests(self):
        environment = {**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}"}
        result = subprocess.run([self.clone / "deploy/quickstart"], env=environment, capture_output=True,
                                text=True, timeout=120)
        self.assertTrue((self.clone / "build/release/build.ninja").is_file(), result.stdout + result.stderr)

    def test_the_tests_do_need_them(self):
        result = subprocess.run([self.root / "bin/cmake", "--preset", "release"], cwd=self.clone,
                                capture_output=True, text=True, timeout=120)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("GTest", result.stderr)


if __name__ == "__main__":
    unittest.main()
