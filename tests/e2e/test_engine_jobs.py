"""Jobs on an engine beyond the cluster: real jobs of the queue, started once and followed to their end,
whatever dies meanwhile. The service is a local one that does what the test writes into a file."""
import json
import os
import pathlib
import unittest

from cluster import Cluster, wait_until, write_tokenized

FAKE_SERVICE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests/coordinator/providers/fake_service.py"
CONFIGURATION = {"model": {"baseModel": "gpt-4.1-mini"}, "schedule": {"epochs": 2}, "seed": 7}
CREATE, UPLOAD = "POST /v1/fine_tuning/jobs", "POST /v1/files"
WANDB_KEY = "wandb-0123456789-hunter2"
INVALID = 6


class EngineJobsTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(with_coordinator=False, secrets_keys="k1 " + "1" * 64 + "\n")
        self.addCleanup(lambda: self.cluster.close())
        folder = self.cluster.folder
        self.steer(state="queued")
        address = folder / "service"
        self.cluster.start("service", ["python3", str(FAKE_SERVICE), str(address), str(folder / "service.requests"),
                                       str(folder / "steering")])
        wait_until(address.exists, 60, "the service listens")
        key = folder / "service.key"
        key.touch(mode=0o600)
        key.write_text("test-key\n")
        self.cluster.settings = (
            "providers:\n  poll_interval: 0.1\n  start_settle: 1\n"
            f"  openai:\n    base_url: {address.read_text()}/steered/openai\n    api_key_file: {key}\n")
        self.cluster.start_coordinator()
        self.dataset = write_tokenized(folder / "train.jsonl")

    # ---- the service ----

    def steer(self, **what) -> None:
        path = self.cluster.folder / "steering"
        path.with_suffix(".new").write_text(json.dumps(what))
        path.with_suffix(".new").rename(path)

    def requests(self) -> list[str]:
        path = self.cluster.folder / "service.requests"
        lines = path.read_text().splitlines() if path.exists() else []
        return [f"{line['method']} {line['path']}" for line in map(json.loads, lines)]

    def created(self) -> int:
        return self.requests().count(CREATE)

    # ---- the cluster ----

    def arguments(self, *more: str, provider: str = "openai", **configuration) -> list[str]:
        path = self.cluster.folder / "job.json"
        path.write_text(json.dumps({**CONFIGURATION, **configuration}))
        return ["submit", "-f", str(path), "--dataset", str(self.dataset), "--provider", provider, *more]

    def submit(self, **configuration) -> str:
        answer = self.cluster.lathe(*self.arguments(**configuration))
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

    def test_cancelled_before_it_was_sent(self):
        self.steer(state="running", upload="hold")
        job = self.submit()
        wait_until(lambda: UPLOAD in self.requests(), 20, "the upload has begun")
        self.cluster.lathe("cancel", job)
        self.steer(state="running")
        self.wait_for(job, "cancelled")
        self.assertEqual(self.created(), 0)

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
        wrong = {"method": {"type": "prefix"}, "objective": {"type": "dpo", "dpo": {"lossType": "ipo"}}}
        for how in ([], ["--dry-run"]):
            answer = self.cluster.lathe(*self.arguments(*how, **wrong))
            self.assertEqual(answer.returncode, INVALID)
            for word in ("method.type", "objective.dpo.lossType"):
                self.assertIn(word, answer.stderr)
        for engine, reason in (("deepseek", "no public endpoint"), ("mistral", "api_key_file"),
                               ("opnai", "did you mean `openai`")):
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
