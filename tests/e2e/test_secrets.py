"""A secret in a configuration is seen by nobody on this cluster: not in Redis, in no log, in no answer, and
on no worker, since trainers need none. Keys rotate; without one, secrets are refused and everything else works."""
import json
import unittest

from cluster import Cluster, tiny_configuration, wait_until, write_tokenized

WANDB_KEY = "wandb-0123456789-hunter2"
HUB_TOKEN = "hf_correcthorsebatterystaple"
OLD_KEY = "k1 " + "1" * 64 + "\n"
NEW_KEY = "k2 " + "2" * 64 + "\n"
INVALID = 6


def with_secrets(configuration: dict) -> dict:
    configuration["integrations"] = {"wandb": {"project": "p", "apiKey": WANDB_KEY},
                                     "huggingface": {"apiToken": HUB_TOKEN}}
    return configuration


class SecretsTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(secrets_keys=OLD_KEY)
        self.addCleanup(lambda: self.cluster.close())
        self.dataset = write_tokenized(self.cluster.folder / "train.jsonl")

    def restart_coordinator(self, keys: str) -> None:
        self.cluster.kill("coordinator")
        self.cluster.secrets_keys = keys
        self.cluster.start_coordinator()

    def assert_found_nowhere(self) -> None:
        """In no file of the cluster: the store's dump and append-only file, logs, data folders, plans."""
        self.cluster.redis("SAVE")
        plans = list(self.cluster.folder.glob("worker-1/jobs/*/plan.json"))
        self.assertTrue(plans, "the worker has a plan")
        for path in self.cluster.folder.rglob("*"):
            if not path.is_file() or path.name == "job.json":  # the user's own file
                continue
            data = path.read_bytes()
            self.assertNotIn(WANDB_KEY.encode(), data, path)
            self.assertNotIn(HUB_TOKEN.encode(), data, path)
        self.assertEqual((self.cluster.folder / "worker-1/jobs").stat().st_mode & 0o777, 0o700)

    def test_secrets_reach_nobody(self):
        self.cluster.start_worker()
        job = self.cluster.submit(with_secrets(tiny_configuration(2000)), self.dataset)
        self.cluster.wait_for_step(job, 1)
        shown = self.cluster.lathe("get", job, "-o", "json").stdout
        self.assertIn("<redacted>", shown)
        for text in (shown, json.dumps(self.cluster.events(job))):
            self.assertNotIn(WANDB_KEY, text)
            self.assertNotIn(HUB_TOKEN, text)
        self.assert_found_nowhere()
        stored = self.cluster.redis("HVALS", "lathe:configurations")
        self.assertIn("lathe-sealed:v1:k1:", stored)
        self.assertIn("llama_tiny", stored, "what is no secret stays readable")

    def test_a_job_outlives_a_rotation_and_a_key_that_is_gone(self):
        waiting = self.cluster.submit(with_secrets(tiny_configuration(2)), self.dataset)
        self.restart_coordinator(NEW_KEY + OLD_KEY)
        newer = self.cluster.submit(with_secrets(tiny_configuration(3)), self.dataset)
        self.assertIn("lathe-sealed:v1:k2:", self.cluster.redis("HVALS", "lathe:configurations"))
        self.restart_coordinator(NEW_KEY)
        self.cluster.start_worker()
        self.assertEqual(self.cluster.wait_for_end(newer), "succeeded")
        self.assertEqual(self.cluster.wait_for_end(waiting), "succeeded", "its trainer needs no secret")

    def test_without_a_key_secrets_are_refused_and_all_else_works(self):
        self.restart_coordinator("")
        path = self.cluster.folder / "job.json"
        path.write_text(json.dumps(with_secrets(tiny_configuration(2))))
        answer = self.cluster.lathe("submit", "-f", str(path), "--dataset", str(self.dataset))
        self.assertNotEqual(answer.returncode, 0)
        for word in ("integrations.wandb.apiKey", "integrations.huggingface.apiToken",
                     "secrets_key_file"):
            self.assertIn(word, answer.stderr)
        self.assertNotIn(WANDB_KEY, answer.stderr)
        self.assertTrue(self.cluster.submit(tiny_configuration(2), self.dataset))

    def test_a_key_file_that_others_may_read_is_refused(self):
        self.cluster.kill("coordinator")
        (self.cluster.folder / "secrets.key").chmod(0o644)
        process = self.cluster.launch_coordinator()
        wait_until(lambda: process.poll() is not None, 10, "the coordinator refuses")
        self.assertEqual(process.returncode, INVALID)
        for word in ("secrets_key_file", "chmod 600"):
            self.assertIn(word, self.cluster.log("coordinator"))


if __name__ == "__main__":
    unittest.main()
