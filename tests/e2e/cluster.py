"""A whole Lathe on loopback for the end-to-end tests: real redis-server, coordinator and workers.

Every process runs in a temporary folder with ports of its own choice and is gone when the cluster is
closed. Nothing here stands in for a part of the product; commands go through the `lathe` program.
"""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable

from certificates import Authority, Identity

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
BINARIES = pathlib.Path(os.environ["LATHE_BINARY_DIR"])
TINY_MODEL = SOURCE / "tests/golden/models/llama_tiny"


def wait_until(condition: Callable[[], object], seconds: float, what: str):
    """The first true value of `condition`; an AssertionError that says `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def write_tokenized(path: pathlib.Path, rows: int = 32, length: int = 48) -> pathlib.Path:
    """Rows of token ids for the tiny model (vocabulary 512); each row repeats a short pattern."""
    with path.open("w") as file:
        for row in range(rows):
            ids = [(row * 7 + i * (1 + row % 5)) % 500 + 5 for i in range(length)]
            file.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    return path


def tiny_configuration(steps: int, **schedule) -> dict:
    """A LoRA job on the tiny model: `steps` steps with a checkpoint every 10."""
    return {
        "model": {"baseModel": "llama_tiny", "precision": "fp32"},
        "datasets": {"format": "tokenized", "trainSplit": 1.0},
        "method": {"type": "lora", "loraConfig": {"rank": 8, "alpha": 16, "dropout": 0.1}},
        "schedule": {"maxSteps": steps, "batchSize": 4, "saveSteps": 10, "sequenceLength": 512,
                     "evaluations": 0, **schedule},
        "optimizer": {"learningRate": 1e-3},
        "hardware": {"device": "cpu"},
        "seed": 7,
    }


def tls_settings(authority_key: str, identity: Identity | None) -> str:
    """The lines of a daemon's configuration."""
    if identity is None:
        return ""
    return (f"tls:\n  {authority_key}: {identity.authority}\n  cert: {identity.certificate}\n"
            f"  key: {identity.key}\n")


def tls_options(identity: Identity | None) -> list[str]:
    """The options of `lathe`."""
    if identity is None:
        return []
    return ["--ca", str(identity.authority), "--cert", str(identity.certificate),
            "--key", str(identity.key)]


def sanitizer_reports(folder: pathlib.Path) -> str:
    """What sanitizers said in the logs below a folder, where the programs are built with them."""
    found = []
    for log in folder.rglob("*.log"):
        text = log.read_text(errors="replace")
        for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
                     "runtime error: "):
            if mark in text:
                found.append(f"{log.name}: {text[max(0, text.index(mark) - 200):][:6000]}")
    return "\n".join(found)


def run_lathe(*arguments: str, timeout: float = 180) -> subprocess.CompletedProcess:
    return subprocess.run([str(BINARIES / "lathe"), *arguments], capture_output=True, text=True,
                          timeout=timeout, check=False, stdin=subprocess.DEVNULL)


class Cluster:
    """Starts with redis and a coordinator; workers are added by start_worker()."""

    def __init__(self, lease_seconds: float = 3, lease_grace_seconds: float = 1,
                 max_attempts: int = 3, tls: bool = False, durable: bool = True,
                 secrets_keys: str = "", with_coordinator: bool = True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lathe-e2e-"))
        self.lease = (lease_seconds, lease_grace_seconds)
        self.max_attempts = max_attempts
        self.durable = durable
        self.secrets_keys = secrets_keys
        self.settings = ""  # further lines of the coordinator's configuration
        self.authority = Authority(self.folder / "tls") if tls else None
        self.identities: dict[str, Identity] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        (self.folder / "models").mkdir()
        shutil.copytree(TINY_MODEL, self.folder / "models/llama_tiny")
        self.start_redis()
        if with_coordinator:
            self.start_coordinator()

    # ---- processes ----

    def start(self, name: str, command: list[str]) -> subprocess.Popen:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes[name] = process
        return process

    def identity(self, name: str, role: str = "") -> Identity | None:
        """The certificate of a program of this cluster, its common name being role and name; None: it works
        without TLS."""
        if self.authority and name not in self.identities:
            self.identities[name] = self.authority.issue(role + name)
        return self.identities.get(name)

    def start_redis(self) -> None:
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        self.redis_socket = data / "redis.sock"
        self.start("redis", ["redis-server", "--port", "0", "--unixsocket", str(self.redis_socket),
                              "--dir", str(data), "--appendonly", "yes" if self.durable else "no",
                              "--appendfsync", "always",
                              "--save", ""])
        wait_until(lambda: self.redis("PING") == "PONG", 10, "redis answers")

    def redis(self, *command: str) -> str:
        answer = subprocess.run(["redis-cli", "-s", str(self.redis_socket), *command],
                                capture_output=True, text=True, check=False)
        return answer.stdout.strip()

    def secrets_setting(self) -> str:
        """The line of the coordinator's configuration; its file holds `secrets_keys`."""
        if not self.secrets_keys:
            return ""
        file = self.folder / "secrets.key"
        file.touch(mode=0o600)
        file.write_text(self.secrets_keys)
        return f"secrets_key_file: {file}\n"

    def start_coordinator(self) -> None:
        address_file = self.folder / "coordinator.address"
        process = self.launch_coordinator()
        wait_until(lambda: address_file.exists() or process.poll() is not None, 30,
                   "the coordinator serves")
        assert process.poll() is None, self.log("coordinator")
        self.address = address_file.read_text().strip()

    def launch_coordinator(self) -> subprocess.Popen:
        """Like start_coordinator, for one that need not come to serve."""
        address_file = self.folder / "coordinator.address"
        # A restarted coordinator comes back on its old port, as it would in production.
        listen = address_file.read_text().strip() if address_file.exists() else "127.0.0.1:0"
        address_file.unlink(missing_ok=True)
        config = self.folder / "coordinator.yaml"
        config.write_text(
            f"listen: {listen}\nmetrics_listen: 127.0.0.1:0\nredis: unix://{self.redis_socket}\n"
            f"metrics_address_file: {self.folder}/coordinator.metrics\n"
            f"data_dir: {self.folder}/coordinator\naddress_file: {address_file}\n"
            f"heartbeat_interval: 0.3\nlease: {self.lease[0]}\nlease_grace: {self.lease[1]}\n"
            f"max_attempts: {self.max_attempts}\n" + self.secrets_setting() + self.settings +
            tls_settings("client_ca", self.identity("coordinator")))
        return self.start("coordinator", [str(BINARIES / "lathe-coordinator"), "--config",
                                           str(config)])

    def launch_worker(self, name: str, cpu_slots: int = 1, disk_megabytes: int = 0,
                      cpu_ranks: int = 1, settings: str = "") -> subprocess.Popen:
        """Like start_worker, for one that need not become ready."""
        config = self.folder / f"{name}.yaml"
        identity = self.identity(name, "worker:")
        if identity is None:  # else the certificate names the node
            settings += f"node_id: {name}\n"
        config.write_text(
            f"coordinator: {self.address}\ndata_dir: {self.folder}/{name}\n"
            f"models_dir: {self.folder}/models\ncpu_slots: {cpu_slots}\n"
            f"cpu_threads: {cpu_ranks}\ncpu_ranks: {cpu_ranks}\ngpus: none\nmetrics_listen: 127.0.0.1:0\n"
            f"metrics_address_file: {self.folder}/{name}.metrics\n" + settings +
            tls_settings("ca", identity))
        command = [str(BINARIES / "lathe-worker"), "--config", str(config)]
        if disk_megabytes:
            folder = self.folder / name
            folder.mkdir()
            mount = f"mount -t tmpfs -o size={disk_megabytes}m tmpfs {folder} && exec \"$@\""
            command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh",
                       *command]
        return self.start(name, command)

    def start_worker(self, name: str = "worker-1", cpu_slots: int = 1, disk_megabytes: int = 0,
                     cpu_ranks: int = 1, settings: str = "") -> subprocess.Popen:
        """With disk_megabytes, its data_dir is a disk of that size, seen by the worker alone."""
        process = self.launch_worker(name, cpu_slots, disk_megabytes, cpu_ranks, settings)
        wait_until(lambda: any(n["id"] == name and "ready" in n["state"].lower()
                               for n in self.nodes()), 30, f"{name} is ready")
        return process

    def kill(self, name: str, how: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait()

    def metrics_address(self, name: str) -> str:
        return (self.folder / f"{name}.metrics").read_text().strip()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def trainers(self, job_or_node: str) -> list[int]:
        """Process ids of the running trainers of a job, over all workers, or of a worker."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except (OSError, IndexError):
                continue
            if len(words) > 2 and words[0].endswith(b"lathe-trainer") and words[1] == b"run":
                if str(self.folder).encode() in words[2] and job_or_node.encode() in words[2] and state != "Z":
                    found.append(int(entry.name))
        return found

    def close(self, keep: bool = False) -> None:
        for process in self.processes.values():
            process.kill()  # also one that is stopped
            process.wait()
        for pid in self.trainers(""):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reports = sanitizer_reports(self.folder)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not reports, reports

    # ---- commands ----

    def lathe(self, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess:
        return run_lathe("--address", self.address, *tls_options(self.identity("client")),
                         *arguments, timeout=timeout)

    def lathe_json(self, *arguments: str):
        answer = self.lathe(*arguments, "-o", "json")
        assert answer.returncode == 0, f"{arguments}: {answer.stderr}"
        return json.loads(answer.stdout)

    def nodes(self) -> list[dict]:
        answer = self.lathe("node", "list", "-o", "json")
        if answer.returncode != 0:
            return []
        listed = json.loads(answer.stdout)
        return listed.get("nodes", []) if isinstance(listed, dict) else listed

    def submit(self, configuration: dict, dataset: pathlib.Path) -> str:
        path = self.folder / "job.json"
        path.write_text(json.dumps(configuration))
        answer = self.lathe("submit", "-f", str(path), "--dataset", str(dataset))
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def job(self, job: str) -> dict:
        return self.lathe_json("get", job)

    def state(self, job: str) -> str:
        return self.job(job)["state"].lower().removeprefix("job_state_")

    def step(self, job: str) -> int:
        return int(self.job(job).get("progress", {}).get("step", 0))

    def wait_for_step(self, job: str, step: int, seconds: float = 60) -> None:
        wait_until(lambda: self.step(job) >= step, seconds, f"{job} at step {step}")

    def wait_for_end(self, job: str, seconds: float = 120) -> str:
        final = {"succeeded", "failed", "cancelled"}
        wait_until(lambda: self.state(job) in final, seconds, f"{job} in a final state")
        return self.state(job)

    def metrics(self, job: str) -> list[dict]:
        """The job's training metrics as a client reads them, in order."""
        return self.lathe_json("metrics", job)

    def events(self, job: str) -> list[dict]:
        """All the job's stored events, in order."""
        answer = self.lathe("logs", job, "--all", "-o", "json")
        assert answer.returncode == 0, answer.stderr
        return [json.loads(line) for line in answer.stdout.splitlines()]

    def adapter_bytes(self, job: str) -> bytes:
        target = self.folder / f"pulled-{job}"
        answer = self.lathe("adapter", "pull", job, "-o", str(target))
        assert answer.returncode == 0, answer.stderr
        return (target / "adapter_model.safetensors").read_bytes()
