"""Jobs on an engine beyond the cluster: real jobs of the queue, started once and followed to their end,
whatever dies meanwhile. The service is a local one that does what the test writes into a file."""
from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from cluster import Cluster, wait_until, write_tokenized

FAKE_SERVICE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests/coordinator/providers/fake_service.py"
CONFIGURATION = {"model": {"baseModel": "gpt-4.1-mini"}, "schedule": {"epochs": 2}, "seed": 7,
                 "metadata": {"fireworks": {"account_id": "acme"}}}
CREATE, UPLOAD = "POST /v1/fine_tuning/jobs", "POST /v1/files"
WANDB_KEY = "wandb-0123456789-hunter2"
INVALID = 6


@dataclasses.dataclass
class Engine:
    """What is different at each: the request that sends the data, the one that takes it away again, and what
    a failure is called."""
    upload: str
    discard: str
    steps: bool = True  # it tells of steps, not only of a share


ENGINES = {
    "openai": Engine("POST /v1/files", "DELETE /v1/files/"),
    "together": Engine("PUT /storage/", "DELETE /v1/files/"),
    "mistral": Engine("POST /v1/files", "DELETE /v1/files/"),
    "fireworks": Engine(":upload", "DELETE /v1/accounts/acme/datasets/", steps=False),
}


class Service:
    """One for all tests; each has jobs of its own there, in the scenario of its name."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lathe-service-"))
        address = self.folder / "address"
        self.process = subprocess.Popen(["python3", str(FAKE_SERVICE), str(address), str(self.folder / "requests"),
                                         str(self.folder)], stdin=subprocess.DEVNULL)
        wait_until(address.exists, 60, "the service listens")
        self.address = address.read_text()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def setUpModule():
    global service
    service = Service()


def tearDownModule():
    service.close()


class EngineJobsCase(unittest.TestCase):
    def setUp(self):
        self.scenario = "steered-" + "-".join(self.id().split(".")[-2:])
        self.cluster = Cluster(with_coordinator=False, secrets_keys="k1 " + "1" * 64 + "\n")
        self.addCleanup(lambda: self.cluster.close())
        folder = self.cluster.folder
        self.steer(state="queued")
        self.cluster.settings = "providers:\n  poll_interval: 0.1\n  start_settle: 1\n"
        for engine in ENGINES:
            key = folder / f"{engine}.key"
            key.touch(mode=0o600)
            key.write_text("test-key\n")
            self.cluster.settings += (f"  {engine}:\n    base_url: {service.address}/{self.scenario}/{engine}\n"
                                      f"    api_key_file: {key}\n    max_jobs: 3\n")
        self.cluster.start_coordinator()
        self.dataset = write_tokenized(folder / "train.jsonl")

    # ---- the service ----

    def steer(self, **what) -> None:
        path = service.folder / self.scenario
        path.with_suffix(".new").write_text(json.dumps(what))
        path.with_suffix(".new").rename(path)

    def requests(self, engine: str = "openai") -> list[str]:
        path = service.folder / "requests"
        lines = map(json.loads, path.read_text().splitlines() if path.exists() else [])
        return [f"{line['method']} {line['path']}" for line in lines
                if (line["scenario"], line["engine"]) == (self.scenario, engine)]

    def created(self) -> int:
        return self.requests().count(CREATE)

    # ---- the cluster ----

    def arguments(self, *more: str, provider: str = "openai", **configuration) -> list[str]:
        path = self.cluster.folder / "job.json"
        path.write_text(json.dumps({**CONFIGURATION, **configuration}))
        return ["submit", "-f", str(path), "--dataset", str(self.dataset), "--provider", provider, *more]

    def submit(self, provider: str = "openai", **configuration) -> str:
        answer = self.cluster.lathe(*self.arguments(provider=provider, **configuration))
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return answer.stdout.strip()

    def wait_for(self, job: str, state: str, seconds: float = 20) -> dict:
        wait_until(lambda: self.cluster.state(job) == state, seconds, f"{job} is {state}")
        return self.cluster.job(job)

    def restart(self) -> None:
        """kill -9, then a new coordinator over the same store."""
        self.cluster.kill("coordinator")
        self.cluster.start_coordinator()

    def assert_whole(self, job: str, steps: int) -> None:
        """One remote job, every step once and in order."""
        self.assertEqual([m["step"] for m in self.cluster.metrics(job)], list(range(1, steps + 1)))
        self.assertEqual(self.created(), 1)


class EveryEngineTest(EngineJobsCase):
    """The life of a job at each of them at once."""

    def wait_for_all(self, jobs: dict[str, str], state: str) -> dict[str, dict]:
        return {engine: self.wait_for(job, state) for engine, job in jobs.items()}

    def test_from_the_queue_to_the_model(self):
        jobs = {engine: self.submit(provider=engine) for engine in ENGINES}
        self.wait_for_all(jobs, "starting")
        self.steer(state="running", steps=3)
        for engine, job in self.wait_for_all(jobs, "running").items():
            self.assertEqual(job["providerModel"], "", f"{engine}: there is none yet")
        self.steer(state="succeeded", steps=5)
        for engine, done in self.wait_for_all(jobs, "succeeded").items():
            with self.subTest(engine):
                model = done["providerModel"]
                self.assertTrue(model.startswith("ft:some-model:"), model)
                self.assertIn(model, done["reason"])
                self.assertIn(done["providerJobId"], self.cluster.lathe("get", jobs[engine]).stdout)
                steps = [m["step"] for m in self.cluster.metrics(jobs[engine])]
                self.assertEqual(steps, [1, 2, 3, 4, 5] if ENGINES[engine].steps else [])
                self.assertFalse(any(r.startswith("DELETE") for r in self.requests(engine)), "nothing is taken away")

    def test_failed_there(self):
        self.steer(state="failed", error="The file has too few examples.")
        jobs = {engine: self.submit(provider=engine) for engine in ENGINES}
        for engine, failed in self.wait_for_all(jobs, "failed").items():
            with self.subTest(engine):
                self.assertEqual(failed["reasonCode"], "user_error")
                self.assertIn("The file has too few examples.", failed["reason"])
                self.assertEqual(failed["providerModel"], "")

    def test_cancelled(self):
        self.steer(state="running")
        jobs = {engine: self.submit(provider=engine) for engine in ENGINES}
        self.wait_for_all(jobs, "running")
        for job in jobs.values():
            self.assertEqual(self.cluster.lathe("cancel", job, "--reason", "enough").returncode, 0)
        for engine, job in self.wait_for_all(jobs, "cancelled").items():
            with self.subTest(engine):
                self.assertIn("enough", job["reason"])
                self.assertTrue(any(r.endswith("cancel") for r in self.requests(engine)), self.requests(engine))

    def test_refused_there(self):
        self.steer(state="running", create="refuse")
        jobs = {engine: self.submit(provider=engine) for engine in ENGINES}
        for engine, failed in self.wait_for_all(jobs, "failed").items():
            with self.subTest(engine):
                self.assertIn("Model some-model is not available.", failed["reason"])
                self.assertIn(ENGINES[engine].discard, self.requests(engine)[-1], "its data does not stay there")

    def test_a_key_that_is_not_taken(self):
        for key in self.cluster.folder.glob("*.key"):
            if key.stem in ENGINES:
                key.write_text("wrong-key\n")
        self.cluster.kill("coordinator")
        self.cluster.start_coordinator()
        jobs = {engine: self.submit(provider=engine) for engine in ENGINES}
        for engine, failed in self.wait_for_all(jobs, "failed").items():
            with self.subTest(engine):
                self.assertIn("Incorrect API key provided.", failed["reason"])
                self.assertNotIn("wrong-key", json.dumps(failed))
        self.assertNotIn("wrong-key", self.cluster.log("coordinator"))

    def test_cancelled_while_the_data_is_sent(self):
        self.steer(state="running", upload="hold")
        jobs = {engine: self.submit(provider=engine) for engine in ENGINES}
        for engine, job in jobs.items():
            wait_until(lambda: any(ENGINES[engine].upload in r for r in self.requests(engine)), 20,
                       f"the upload to {engine} has begun")
            self.cluster.lathe("cancel", job)
        # The service still holds the data's connection.
        for engine, job in self.wait_for_all(jobs, "cancelled").items():
            with self.subTest(engine):
                self.assertIn("It was not started", job["reason"])
                taken_away = [r for r in self.requests(engine) if ENGINES[engine].discard in r]
                self.assertEqual(len(taken_away), 1 if engine in ("together", "fireworks") else 0,
                                 "what is known there by a name is taken away")

    def test_what_is_left_behind_is_said(self):
        self.steer(state="running", create="refuse", discard="refuse")
        failed = self.wait_for(self.submit(), "failed")
        self.assertRegex(failed["reason"], r"the training file file-\d+ is still there \(.*File is in use")

    def test_no_more_at_once_than_is_set(self):
        self.steer(state="running")
        jobs = [self.submit() for _ in range(4)]
        for job in jobs[:3]:
            self.wait_for(job, "running")
        self.assertIn("as many jobs of this cluster as it may, 3", self.cluster.lathe("explain", jobs[3]).stdout)
        self.steer(state="succeeded")
        self.wait_for(jobs[3], "succeeded")


class EngineJobsTest(EngineJobsCase):
    """Everything else, at one of them."""

    # ---- a job's life ----

    def test_from_the_queue_to_the_model(self):
        job = self.submit()
        waiting = self.wait_for(job, "starting")
        self.assertEqual((waiting["provider"], waiting["attempt"]), ("openai", 1))
        wait_until(lambda: "queued" in self.cluster.job(job)["reason"], 20, "the service's state is told")
        self.assertEqual(self.cluster.job(job)["providerJobId"], "ftjob-0")
        self.steer(state="running", steps=3)
        self.assertIn("ftjob-0", self.wait_for(job, "running")["reason"])
        wait_until(lambda: self.cluster.step(job) == 3, 20, "three steps")
        self.steer(state="succeeded", steps=5)
        answer = self.cluster.lathe("watch", job)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        done = self.cluster.job(job)
        self.assertEqual(done["providerModel"], "ft:some-model:ftjob-0")
        self.assertIn("ft:some-model:ftjob-0", done["reason"])
        self.assertEqual(int(done["progress"]["totalSteps"]), 400)
        self.assert_whole(job, 5)
        self.assertIn("ftjob-0", self.cluster.lathe("get", job).stdout)
        self.assertIn("openai ftjob-0", self.cluster.lathe("list").stdout)
        self.assertEqual(self.cluster.nodes(), [], "an engine is no node")
        self.assertNotIn("test-key", self.cluster.log("coordinator"))

    def test_what_the_service_refuses_fails_with_its_words(self):
        self.steer(state="queued", create="refuse")
        job = self.submit()
        failed = self.wait_for(job, "failed")
        self.assertEqual(failed["reasonCode"], "user_error")
        self.assertIn("Model some-model is not available.", failed["reason"])
        self.steer(state="failed", error="The file has too few examples.")
        failed = self.wait_for(self.submit(), "failed")
        self.assertIn("The file has too few examples.", failed["reason"])

    def test_a_service_that_is_down_leaves_the_job_waiting(self):
        self.steer(state="running", down=True)
        job = self.submit()
        wait_until(lambda: self.cluster.job(job)["reasonCode"] == "engine_away", 20, "it says so")
        self.assertIn("OpenAI can't be asked", self.cluster.lathe("explain", job).stdout)
        self.steer(state="running", steps=1)
        self.wait_for(job, "running")
        self.steer(state="running", steps=2, down=True)
        wait_until(lambda: self.cluster.job(job)["reasonCode"] == "engine_away", 20, "it says so")
        self.assertEqual(self.cluster.state(job), "running")
        self.steer(state="succeeded", steps=4)
        self.wait_for(job, "succeeded")
        self.assert_whole(job, 4)

    def test_cancelled_here_or_there(self):
        self.steer(state="running")
        job = self.submit()
        self.wait_for(job, "running")
        self.assertEqual(self.cluster.lathe("cancel", job, "--reason", "enough").returncode, 0)
        self.assertIn("enough", self.wait_for(job, "cancelled")["reason"])
        self.assertIn("POST /v1/fine_tuning/jobs/ftjob-0/cancel", self.requests())
        self.steer(state="cancelled")
        self.assertIn("Cancelled at OpenAI", self.wait_for(self.submit(), "cancelled")["reason"])

    # ---- kill -9 of the coordinator ----

    def test_killed_before_the_request(self):
        self.steer(state="running", steps=2, upload="hold")
        job = self.submit()
        wait_until(lambda: UPLOAD in self.requests(), 20, "the upload has begun")
        self.cluster.kill("coordinator")
        self.steer(state="succeeded", steps=2)
        self.cluster.start_coordinator()
        self.wait_for(job, "succeeded")
        self.assert_whole(job, 2)

    def test_killed_between_the_request_and_its_answer(self):
        self.steer(state="running", create="hold")
        job = self.submit()
        wait_until(lambda: CREATE in self.requests(), 20, "the request is sent")
        self.cluster.kill("coordinator")
        self.steer(state="succeeded", steps=2)
        self.cluster.start_coordinator()
        self.assertEqual(self.wait_for(job, "succeeded")["providerJobId"], "ftjob-0")
        self.assert_whole(job, 2)

    def test_killed_with_the_request_lost_on_the_way(self):
        self.steer(state="running", create="drop")
        job = self.submit()
        wait_until(lambda: CREATE in self.requests(), 20, "the request is sent")
        self.restart()
        wait_until(lambda: "Nobody knows" in self.cluster.job(job)["reason"], 20, "it is looked for")
        self.steer(state="succeeded", steps=1)
        self.assertEqual(self.wait_for(job, "succeeded")["providerJobId"], "ftjob-0", "there is one job")

    def test_killed_again_and_again_while_it_is_followed(self):
        self.steer(state="running", steps=1)
        job = self.submit()
        self.wait_for(job, "running")
        for steps in (4, 9, 30):
            self.steer(state="running", steps=steps)
            self.restart()
        wait_until(lambda: self.cluster.step(job) == 30, 20, "thirty steps")
        self.cluster.kill("coordinator")
        self.steer(state="succeeded", steps=350)  # more than a page
        self.cluster.start_coordinator()
        self.assertEqual(self.wait_for(job, "succeeded")["attempt"], 1)
        self.assert_whole(job, 350)

    def test_killed_while_it_is_cancelled(self):
        self.steer(state="running", create="hold")
        job = self.submit()
        wait_until(lambda: CREATE in self.requests(), 20, "the request is sent")
        self.cluster.lathe("cancel", job)
        self.cluster.kill("coordinator")
        self.steer(state="running")
        self.cluster.start_coordinator()
        self.wait_for(job, "cancelled")
        self.assertIn("POST /v1/fine_tuning/jobs/ftjob-0/cancel", self.requests())
        self.assertEqual(self.created(), 1)

    # ---- checks before it is queued, other engines, secrets ----

    def test_refused_with_everything_that_is_wrong(self):
        engines = {"method": {"type": "prefix"}, "objective": {"type": "dpo", "dpo": {"lossType": "ipo"}}}
        schemas = {"schedule": {"epochs": 1000, "epoch": 1}, "seed": "seven"}
        for wrong, words in ((engines, ["method.type", "objective.dpo.lossType"]),
                             ({**engines, **schemas}, ["method.type", "objective.dpo.lossType", "schedule.epochs",
                                                       "did you mean `epochs`", "seed"])):
            arguments = self.arguments(**wrong)
            for command in (arguments, [*arguments, "--dry-run"],
                            ["config", "validate", arguments[2], "--provider", "openai"]):
                answer = self.cluster.lathe(*command, "-o", "json")
                self.assertEqual(answer.returncode, INVALID, answer.stderr)
                for word in words:
                    self.assertIn(word, answer.stderr)
                said = [(f["path"], f["code"]) for f in json.loads(answer.stderr)["error"]["findings"]]
                self.assertEqual(len(said), len(set(said)), "nothing twice")
                self.assertNotIn("train.jsonl", answer.stderr, "the data stays here")
        self.assertEqual(self.cluster.lathe("config", "validate", arguments[2], "--provider", "opnai").returncode, 3)
        for engine, reason in (("deepseek", "no public endpoint"), ("opnai", "did you mean `openai`")):
            answer = self.cluster.lathe(*self.arguments(provider=engine))
            self.assertEqual(answer.returncode, INVALID)
            self.assertIn(reason, answer.stderr)
        shown = self.cluster.lathe_json(*self.arguments("--dry-run", hardware={"device": "cpu"}))
        self.assertIn(("hardware.device", "left_out"), [(f["path"], f["code"]) for f in shown["findings"]])
        self.assertEqual(self.requests(), [], "nothing is sent")
        self.assertEqual(self.cluster.lathe_json("list"), [])

    def test_sent_to_another_engine_with_its_secrets(self):
        waiting = self.cluster.lathe(*self.arguments(provider="lathe", integrations={
            "wandb": {"project": "p", "apiKey": WANDB_KEY}})).stdout.strip()
        answer = self.cluster.lathe("restart", waiting, "--provider", "openai")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        job = self.cluster.job(answer.stdout.strip())
        self.assertEqual(job["configurationSource"], f"job:{waiting}")
        self.assertEqual(job["configuration"]["model"]["baseModel"], "gpt-4.1-mini")
        self.steer(state="succeeded")
        self.wait_for(job["id"], "succeeded")
        self.cluster.redis("SAVE")
        for path in self.cluster.folder.rglob("*"):
            if path.is_file() and path.name != "job.json":
                self.assertNotIn(WANDB_KEY.encode(), path.read_bytes(), path)


if __name__ == "__main__":
    unittest.main()
