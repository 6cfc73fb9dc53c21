"""Engines through the command line: what they can do, and what a configuration becomes for them."""
import json
import os
import pathlib
import unittest

from cluster import Cluster, wait_until, write_tokenized

FAKE_SERVICE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests/coordinator/providers/fake_service.py"
GOLDEN = pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests/golden/providers"
SERVICES = ["openai", "together", "fireworks", "mistral", "deepseek"]
INVALID, NOT_FOUND = 6, 3


class ProvidersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())

    def translate(self, engine: str, configuration: str) -> dict:
        return self.cluster.lathe_json("provider", "translate", engine, "-f",
                                       str(GOLDEN / f"configurations/{configuration}.json"))

    def test_the_cluster_comes_first_and_every_engine_says_why_it_cannot_start(self):
        engines = self.cluster.lathe_json("provider", "list")
        self.assertEqual([engine["id"] for engine in engines], ["lathe", *SERVICES])
        for engine in engines[1:]:
            self.assertFalse(engine["canStart"])
        self.assertIn("providers.openai.api_key_file", engines[1]["reason"])
        self.assertIn("no public endpoint", engines[-1]["reason"])

    def test_capabilities_of_the_cluster_are_those_of_its_nodes(self):
        engine = self.cluster.lathe_json("provider", "capabilities", "lathe")
        self.assertFalse(engine["canStart"])
        self.assertIn("No node", engine["reason"])
        self.cluster.start_worker()
        engine = self.cluster.lathe_json("provider", "capabilities", "lathe")
        self.assertTrue(engine["canStart"])
        self.assertEqual(engine["models"], ["llama_tiny"])
        self.assertIn({"path": "hardware.device", "tokens": ["auto", "cpu"]},
                      [{k: limit[k] for k in ("path", "tokens")} for limit in engine["limits"]])
        self.assertIn("lora", engine["methods"])

    def test_capabilities_of_a_service(self):
        engine = self.cluster.lathe_json("provider", "capabilities", "fireworks")
        self.assertEqual(engine["methods"], ["lora"])
        self.assertIn("metadata.fireworks.account_id", engine["required"])
        self.assertIn("hardware.gpuType", engine["unsupported"])
        self.assertNotIn("schedule.epochs", engine["unsupported"])
        account = next(p for p in engine["customParameters"] if p["name"] == "account_id")
        self.assertTrue(account["required"])
        text = self.cluster.lathe("provider", "capabilities", "fireworks").stdout
        self.assertIn("metadata.fireworks.account_id", text)

    def test_an_unknown_engine(self):
        answer = self.cluster.lathe("provider", "capabilities", "togehter")
        self.assertEqual(answer.returncode, NOT_FOUND)
        self.assertIn("did you mean `together`", answer.stderr)

    def test_translated_as_in_the_golden_files(self):
        for engine in SERVICES:
            for configuration in ("sft", "dpo", "everything"):
                golden = json.loads((GOLDEN / f"{engine}.{configuration}.json").read_text())
                if any(f["severity"] == "error" for f in golden["findings"]):
                    continue
                with self.subTest(engine=engine, configuration=configuration):
                    shown = self.translate(engine, configuration)
                    self.assertEqual([r.get("body") for r in shown["requests"]],
                                     [r.get("body") for r in golden["requests"]])
                    for request in shown["requests"]:
                        self.assertRegex(request["url"], r"^(https://api\.|\{upload_url\})")
                    codes = [(f["path"], f["code"]) for f in shown["findings"]]
                    for finding in golden["findings"]:
                        self.assertIn((finding["path"], finding["code"]), codes)

    def test_validated_for_an_engine_without_a_job(self):
        if not self.cluster.nodes():
            self.cluster.start_worker()
        path = self.cluster.folder / "job.json"

        def validate(engine: str, **configuration):
            path.write_text(json.dumps({"model": {"baseModel": "llama_tiny"}, **configuration}))
            return self.cluster.lathe("config", "validate", str(path), "--provider", engine)

        answer = validate("lathe")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        answer = validate("lathe", model={"baseModel": "llama_tinny"}, objective={"type": "rlhf"}, seed="x")
        self.assertEqual(answer.returncode, INVALID)
        for words in ('Did you mean "llama_tiny"?', "objective.type", "seed"):
            self.assertIn(words, answer.stderr)
        answer = validate("together")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("providers.together.api_key_file", answer.stderr, "it can't be used now: a warning")
        self.assertIn("was not known to fine-tune llama_tiny", answer.stderr)
        self.assertEqual(validate("fireworks").returncode, INVALID, "account_id")
        self.assertEqual(validate("togehter").returncode, NOT_FOUND)

    def test_what_an_engine_cannot_do_is_refused_with_everything_else_that_is_wrong(self):
        path = self.cluster.folder / "wrong.yaml"
        path.write_text("model: {baseModel: m}\nmethod: {type: prefix}\nschedule: {epochs: 1000}\nsed: 1\n")
        answer = self.cluster.lathe("provider", "translate", "fireworks", "-f", str(path), "--set", "seed=x")
        self.assertEqual(answer.returncode, INVALID)
        for word in ("method.type", "schedule.epochs", "metadata.fireworks.account_id", "did you mean `seed`",
                     "not an integer"):
            self.assertIn(word, answer.stderr)

    def test_translated_with_single_values_set(self):
        path = self.cluster.folder / "short.yaml"
        path.write_text("model: {baseModel: m}\n")
        answer = self.cluster.lathe("provider", "translate", "openai", "-f", str(path), "--set",
                                    "model.baseModel=gpt-4o-mini")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn('"model": "gpt-4o-mini"', answer.stdout)

    def test_a_secret_is_not_shown(self):
        path = self.cluster.folder / "secret.yaml"
        path.write_text("model: {baseModel: m}\nintegrations: {wandb: {project: p, apiKey: hunter2}}\n")
        answer = self.cluster.lathe("provider", "translate", "together", "-f", str(path))
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertNotIn("hunter2", answer.stdout + answer.stderr)
        self.assertIn("<redacted>", answer.stdout)


class ProviderJobsTest(unittest.TestCase):
    """Against a local service that answers as the engines' public references say."""

    def setUp(self):
        self.cluster = Cluster(with_coordinator=False)
        self.addCleanup(lambda: self.cluster.close())
        folder = self.cluster.folder
        address = folder / "service"
        self.cluster.start("service", ["python3", str(FAKE_SERVICE), str(address),
                                       str(folder / "service.requests")])
        wait_until(address.exists, 60, "the service listens")
        key = folder / "service.key"
        key.touch(mode=0o600)
        key.write_text("test-key\n")
        self.cluster.settings = "providers:\n" + "".join(
            f"  {engine}:\n    base_url: {address.read_text()}/plain/{engine}\n    api_key_file: {key}\n"
            for engine in ("openai", "together", "fireworks"))
        self.cluster.start_coordinator()
        self.dataset = write_tokenized(folder / "train.jsonl")

    def test_a_job_at_each_service_from_start_to_cancel(self):
        configuration = str(GOLDEN / "configurations/sft.json")
        for engine in ("openai", "together", "fireworks"):
            start = ["provider", "start", engine, "-f", configuration, "--dataset", str(self.dataset),
                     "--request-id", f"request-{engine}"]
            job = self.cluster.lathe_json(*start)["id"]
            self.assertEqual(self.cluster.lathe_json(*start)["id"], job, "a repeated request")
            state = self.cluster.lathe_json("provider", "status", engine, job)
            self.assertEqual(state["state"], "running", state)
            self.assertEqual(self.cluster.lathe_json("provider", "cancel", engine, job)["state"], "cancelled")
        self.assertNotIn("test-key", self.cluster.log("coordinator"))

    def test_what_cannot_start_says_why(self):
        configuration = str(GOLDEN / "configurations/sft.json")
        for engine, reason in (("deepseek", "no public endpoint"), ("mistral", "api_key_file"),
                               ("lathe", "lathe submit")):
            answer = self.cluster.lathe("provider", "start", engine, "-f", configuration, "--dataset",
                                        str(self.dataset))
            self.assertNotEqual(answer.returncode, 0)
            self.assertIn(reason, answer.stderr)
        answer = self.cluster.lathe("provider", "start", "openai", "-f", configuration)
        self.assertEqual(answer.returncode, INVALID)
        self.assertIn("datasets.trainingFileId", answer.stderr)
        self.assertEqual(self.cluster.lathe("provider", "status", "openai", "../files").returncode, INVALID)
        self.assertEqual(self.cluster.lathe("provider", "status", "openai", "ftjob-9").returncode, NOT_FOUND)


if __name__ == "__main__":
    unittest.main()
