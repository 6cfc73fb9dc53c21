"""What cannot work is refused with words that name the field or file and the remedy, and the right exit
code; a disk that is full costs a job its attempts, never what is already stored."""
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from cluster import (BINARIES, SOURCE, Cluster, tiny_configuration, wait_until,
                     write_tokenized)

UNAVAILABLE, INVALID, CONFLICT = 5, 6, 7


class Refusals(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lathe-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def expect_refusal(self, program: str, exit_code: int, words: list[str], *arguments: str):
        answer = subprocess.run([str(BINARIES / program), *arguments], capture_output=True, text=True,
                                timeout=30, check=False)
        self.assertEqual(answer.returncode, exit_code, answer.stderr)
        for word in words:
            self.assertIn(word, answer.stderr)

    def busy_address(self) -> str:
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        return f"127.0.0.1:{taken.getsockname()[1]}"


class CoordinatorTest(Refusals):
    def refused(self, exit_code: int, words: list[str], **settings: str) -> None:
        chosen = {"listen": "127.0.0.1:0", "redis": f"unix://{self.folder}/none.sock",
                  "data_dir": f"{self.folder}/data", "metrics_listen": "127.0.0.1:0", **settings}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
        self.expect_refusal("lathe-coordinator", exit_code, words, *flags)

    def test_redis_is_down(self):
        self.refused(UNAVAILABLE, [f"{self.folder}/none.sock", "lathe up"])

    def test_data_dir_cannot_be_made(self):
        (self.folder / "file").touch()
        self.refused(INVALID, ["data_dir", f"{self.folder}/file/data", "may write"],
                     data_dir=f"{self.folder}/file/data")

    def test_an_address_lacks_its_port(self):
        self.refused(INVALID, ["listen", "with a port"], listen="127.0.0.1")

    def test_metrics_address_is_in_use(self):
        self.refused(CONFLICT, ["metrics_listen", "in use"], metrics_listen=self.busy_address())


class CoordinatorWithRedisTest(unittest.TestCase):
    """Of a cluster whose Redis does not sync: everything works, with a warning."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(durable=False)
        cls.addClassCleanup(lambda: cls.cluster.close())

    def second_coordinator(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(BINARIES / "lathe-coordinator"), "--metrics-listen=127.0.0.1:0",
             f"--redis=unix://{self.cluster.redis_socket}", "--redis-prefix=other:", *arguments],
            capture_output=True, text=True, timeout=30, check=False)

    def test_redis_that_keeps_nothing_is_warned_of(self):
        log = self.cluster.log("coordinator")
        for word in ("warning store_not_durable", "redis.appendonly", "expected=yes", "lost"):
            self.assertIn(word, log)

    def test_the_port_is_in_use(self):
        answer = self.second_coordinator(f"--listen={self.cluster.address}",
                                         f"--data-dir={self.cluster.folder}/second")
        self.assertEqual(answer.returncode, CONFLICT, answer.stderr)
        self.assertIn(self.cluster.address, answer.stderr)
        self.assertIn("set listen to another address", answer.stderr)

    def test_data_dir_is_in_use(self):
        answer = self.second_coordinator("--listen=127.0.0.1:0",
                                         f"--data-dir={self.cluster.folder}/coordinator")
        self.assertEqual(answer.returncode, CONFLICT, answer.stderr)
        self.assertIn("in use by another coordinator", answer.stderr)


class WorkerTest(Refusals):
    def refused(self, exit_code: int, words: list[str], **settings: str) -> None:
        (self.folder / "models").mkdir(exist_ok=True)
        chosen = {"coordinator": "127.0.0.1:1", "models_dir": f"{self.folder}/models",
                  "data_dir": f"{self.folder}/data", "gpus": "none",
                  "metrics_listen": "127.0.0.1:0", **settings}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
        self.expect_refusal("lathe-worker", exit_code, words, *flags)

    def test_models_dir_is_missing(self):
        self.refused(INVALID, ["models_dir", "/no/models", "base models"], models_dir="/no/models")

    def test_data_dir_cannot_be_made(self):
        (self.folder / "file").touch()
        self.refused(INVALID, ["data_dir", "may write"], data_dir=f"{self.folder}/file/data")

    def test_coordinator_elsewhere_needs_tls(self):
        self.refused(INVALID, ["tls.ca", "lathe.example.org:7420"],
                     coordinator="lathe.example.org:7420")

    def test_an_address_lacks_its_port(self):
        self.refused(INVALID, ["coordinator", "with a port"], coordinator="localhost")

    def test_metrics_address_is_in_use(self):
        self.refused(CONFLICT, ["metrics_listen", "in use"], metrics_listen=self.busy_address())


class ClusterTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)

    def test_models_dir_is_empty(self):
        shutil.rmtree(self.cluster.folder / "models/llama_tiny")
        self.cluster.start_worker()
        for word in ("warning no_models", f"{self.cluster.folder}/models", "config.json"):
            self.assertIn(word, self.cluster.log("worker-1"))
        configuration = self.cluster.folder / "job.json"
        configuration.write_text('{"model": {"baseModel": "llama_tiny"}}')
        dataset = write_tokenized(self.cluster.folder / "train.jsonl")
        answer = self.cluster.lathe("submit", "-f", str(configuration), "--dataset", str(dataset))
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("model.baseModel", answer.stderr)

    def test_the_workers_disk_is_full(self):
        """A job that finds no room fails with that reason; with room again the next one succeeds."""
        if not can_mount():
            self.skipTest("no user namespaces here to mount a small disk in")
        self.cluster.start_worker("worker-1", disk_megabytes=4)
        large = write_tokenized(self.cluster.folder / "large.jsonl", rows=20000)
        self.assertGreater(large.stat().st_size, 4 << 20)
        job = self.cluster.submit(tiny_configuration(20), large)
        self.assertEqual(self.cluster.wait_for_end(job), "failed")
        self.assertIn("No space left on device", str(self.cluster.job(job)))
        small = write_tokenized(self.cluster.folder / "small.jsonl")
        job = self.cluster.submit(tiny_configuration(20), small)
        self.assertEqual(self.cluster.wait_for_end(job), "succeeded", self.cluster.job(job))

    def test_the_workers_disk_fills_up_in_mid_run(self):
        """Training waits or is tried again, whichever part meets the full disk, and goes on from where
        it was once there is room."""
        if not can_mount():
            self.skipTest("no user namespaces here to mount a small disk in")
        worker = self.cluster.start_worker("worker-1", disk_megabytes=16)
        job = self.cluster.submit(tiny_configuration(400),
                                  write_tokenized(self.cluster.folder / "train.jsonl"))
        self.cluster.wait_for_step(job, 30)
        filler = pathlib.Path(f"/proc/{worker.pid}/root{self.cluster.folder}/worker-1/filler")
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 4096):
                    pass
            except OSError:
                pass
        wait_until(lambda: "No space left" in self.cluster.log("worker-1") +
                   str(self.cluster.job(job)), 30, "somebody tells of the full disk")
        filler.unlink()
        self.assertEqual(self.cluster.wait_for_end(job), "succeeded", self.cluster.job(job))
        self.assertEqual([m["step"] for m in self.cluster.metrics(job)], list(range(1, 401)))


class ExampleConfigurationTest(Refusals):
    """The examples that operators start from, with files of this machine in the places they name."""

    def check(self, program: str, example: str, **replaced: pathlib.Path) -> None:
        text = (SOURCE / "deploy/config" / example).read_text()
        for name, path in replaced.items():
            key = name.replace("__", ".")
            lines = [f"{key}: {path}" if line.startswith(f"{key}:") else line
                     for line in text.splitlines()]
            self.assertNotEqual("\n".join(lines), text.rstrip("\n"), f"{example} has no {key}")
            text = "\n".join(lines) + "\n"
        copy = self.folder / example
        copy.write_text(text)
        answer = subprocess.run([str(BINARIES / program), "--config", str(copy), "--check-config"],
                                capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(answer.returncode, 0, answer.stderr)

    def make_certificates(self) -> None:
        """As deploy/docs/certificates.md says, in this folder."""
        page = (SOURCE / "deploy/docs/certificates.md").read_text()
        commands = page.split("```sh\n")[1].split("```")[0]
        subprocess.run(["sh", "-euc", commands], cwd=self.folder, check=True, capture_output=True)
        for name in ("coordinator", "worker", "ann"):
            subprocess.run(["openssl", "verify", "-CAfile", "ca.crt", f"{name}.crt"], cwd=self.folder,
                           check=True, capture_output=True)

    def test_both_are_right(self):
        self.make_certificates()
        (self.folder / "models").mkdir()
        keys = self.folder / "secrets.key"
        keys.touch(mode=0o600)
        keys.write_text("k1 " + "ab" * 32 + "\n")
        self.check("lathe-coordinator", "coordinator.yaml", tls__client_ca=self.folder / "ca.crt",
                   tls__cert=self.folder / "coordinator.crt", tls__key=self.folder / "coordinator.key",
                   secrets_key_file=keys)
        self.check("lathe-worker", "worker.yaml", models_dir=self.folder / "models",
                   tls__ca=self.folder / "ca.crt", tls__cert=self.folder / "worker.crt",
                   tls__key=self.folder / "worker.key")


def can_mount() -> bool:
    probe = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs",
                            "-o", "size=1m", "tmpfs", "/mnt"], capture_output=True, check=False)
    return probe.returncode == 0


if __name__ == "__main__":
    unittest.main(verbosity=2)
