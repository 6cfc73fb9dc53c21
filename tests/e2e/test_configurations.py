"""The library of configurations through the command line: save, share, submit, restart."""
import json
import os
import unittest
from unittest import mock

from cluster import Cluster, run_lathe, tiny_configuration, tls_options, write_tokenized

KEYS = "k1 " + "ab" * 32 + "\n"
SECRET = "a-secret-of-anns"

# One small file of each older dialect.
DIALECTS = {
    "legacy": {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.0, "method": "lora",
               "lora_rank": 16, "lora_alpha": 32},
    "sectioned": {"model": {"name": "llama_tiny", "torch_dtype": "float32"},
                  "training": {"method": "sft", "num_epochs": 2, "use_lora": True, "lora_r": 16,
                               "learning_rate": 0.0001}},
    "training_config": {"base_model": "llama_tiny", "dataset_type": "supervised", "lora_r": 16,
                        "lora_alpha": 32, "num_epochs": 2, "batch_size": 4},
    "simple": {"rank": 16, "alpha": 32, "epochs": 2, "learningRate": 0.0001, "batchSize": 4},
}


class ConfigurationsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(secrets_keys=KEYS)
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.cluster.start_worker("worker-1")
        cls.dataset = write_tokenized(cls.cluster.folder / "train.jsonl")

    def write(self, configuration: dict, name: str = "configuration.json") -> str:
        path = self.cluster.folder / name
        path.write_text(json.dumps(configuration))
        return str(path)

    def lathe(self, *arguments: str, user: str = "ann"):
        with mock.patch.dict(os.environ, LATHE_USER=user):
            return self.cluster.lathe(*arguments)

    def ok(self, *arguments: str, user: str = "ann"):
        """The JSON that a command prints when it succeeds."""
        answer = self.lathe(*arguments, "-o", "json", user=user)
        self.assertEqual(answer.returncode, 0, f"{arguments}: {answer.stderr}")
        return json.loads(answer.stdout)

    def test_save_list_submit_restart(self):
        file = self.write(tiny_configuration(5))
        self.ok("config", "save", "mine", "-f", file, "--description", "words",
                "--template", "lora_quickstart")
        listed = self.ok("config", "list")
        self.assertIn("mine", [each["name"] for each in listed])
        answer = self.lathe("submit", "--config", "mine", "--dataset", str(self.dataset), "--set",
                            "schedule.batchSize=2")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        job = self.cluster.job(answer.stdout.strip())
        self.assertEqual(job["owner"], "ann")
        self.assertEqual(job["configurationSource"], "saved:ann/mine")
        self.assertEqual(job["configuration"]["schedule"]["batchSize"], 2)
        self.assertEqual(self.ok("config", "get", "mine")["timesUsed"], 1)
        before = self.ok("config", "get", "mine")
        self.cluster.kill("coordinator")
        self.cluster.start_coordinator()
        self.assertEqual(self.ok("config", "get", "mine"), before)
        self.assertEqual(self.ok("config", "list", "--order", "used")[0]["name"], "mine")

    def test_edits_that_cross_are_a_conflict(self):
        file = self.write(tiny_configuration(5))
        self.assertEqual(self.ok("config", "save", "edited", "-f", file)["etag"], "1")
        self.assertEqual(self.lathe("config", "save", "edited", "-f", file).returncode, 7)
        changed = self.ok("config", "save", "edited", "-f", file, "--replace", "--etag", "1")
        self.assertEqual(changed["etag"], "2")
        answer = self.lathe("config", "save", "edited", "-f", file, "--replace", "--etag", "1")
        self.assertEqual(answer.returncode, 7, answer.stderr)
        self.assertIn("2 is there", answer.stderr)
        named = self.ok("config", "save", "edited", "--replace", "--description", "words")
        self.assertEqual((named["etag"], named["description"]), ("3", "words"))
        self.assertEqual(named["configuration"], changed["configuration"])
        again = self.ok("config", "save", "edited", "-f", file, "--replace")
        self.assertEqual(again["description"], "words", "what is not given stays")

    def test_others_see_what_is_shared_and_no_more(self):
        file = self.write(tiny_configuration(5))
        self.ok("config", "save", "private", "-f", file)
        self.ok("config", "save", "public", "-f", file, "--shared")
        self.assertEqual(self.lathe("config", "get", "ann/private", user="bob").returncode, 3)
        self.assertEqual(self.ok("config", "list", user="carol"), [])
        shared = [each["name"] for each in self.ok("config", "list", "--shared", user="bob")]
        self.assertIn("public", shared)
        self.assertNotIn("private", shared)
        self.assertEqual(self.lathe("config", "delete", "ann/public", user="bob").returncode, 4)
        copy = self.ok("config", "copy", "ann/public", "own", user="bob")
        self.assertEqual(copy["owner"], "bob")
        names = [each["name"] for each in self.ok("config", "list", "--all", user="service:x")]
        self.assertIn("private", names)
        self.assertEqual(self.lathe("config", "list", "--all", user="bob").returncode, 4)

    def test_secrets_are_never_in_an_answer_or_in_redis(self):
        configuration = tiny_configuration(5)
        configuration["integrations"] = {"wandb": {"project": "p", "apiKey": SECRET}}
        self.ok("config", "save", "secret", "-f", self.write(configuration), "--shared")
        for command in (["get", "secret"], ["get", "secret", "--download", "universal"],
                        ["get", "secret", "--download", "sectioned"], ["list"],
                        ["diff", "secret", "template:dpo_basic"], ["copy", "secret", "secret-2"]):
            for form in ("table", "json", "yaml"):
                answer = self.lathe("config", *command, "-o", form)
                self.assertNotIn(SECRET, answer.stdout + answer.stderr, command)
        for file in (self.cluster.folder / "redis").rglob("*"):
            if file.is_file():
                self.assertNotIn(SECRET.encode(), file.read_bytes(), file)
        self.assertNotIn(SECRET, self.cluster.log("coordinator"))
        compared = self.ok("config", "diff", "secret", "secret-2")
        self.assertEqual([(each["path"], each["equal"], each["notCompared"]) for each in compared],
                         [("integrations.wandb.apiKey", False, True)])
        self.assertIn("not compared", self.lathe("config", "diff", "secret", "secret-2").stderr)
        copied = self.ok("config", "copy", "ann/secret", "stolen", user="bob")
        self.assertNotIn("apiKey", json.dumps(copied["configuration"]))

    def test_every_dialect_is_imported(self):
        for dialect, configuration in DIALECTS.items():
            with self.subTest(dialect):
                file = self.write(configuration, f"{dialect}.json")
                saved = self.ok("config", "save", dialect, "-f", file)
                self.assertEqual(saved["configuration"]["method"]["loraConfig"]["rank"], 16)
                answer = self.lathe("config", "get", dialect, "--download", dialect)
                self.assertEqual(answer.returncode, 0, answer.stderr)
                back = json.loads(answer.stdout)
                kept = {key: value for key, value in configuration.items() if key in back}
                self.assertTrue(kept, "something comes back")
                for key, value in kept.items():
                    if not isinstance(value, dict):
                        self.assertEqual(back[key], value, key)

    def test_what_is_wrong_is_kept_unless_refused(self):
        configuration = tiny_configuration(5)
        configuration["schedule"]["epochs"] = 1000
        file = self.write(configuration)
        answer = self.lathe("config", "save", "strict", "-f", file, "--require-valid")
        self.assertEqual(answer.returncode, 6, answer.stderr)
        self.assertIn("schedule.epochs", answer.stderr)
        saved = self.ok("config", "save", "lax", "-f", file)
        self.assertFalse(saved["validated"])
        self.assertEqual(saved["findings"][0]["path"], "schedule.epochs")
        answer = self.lathe("submit", "--config", "lax", "--dataset", str(self.dataset))
        self.assertEqual(answer.returncode, 6, answer.stderr)
        self.assertEqual(self.ok("config", "get", "lax")["timesUsed"], 0)

    def test_a_dry_run_of_a_template_tells_sources(self):
        answer = self.ok("submit", "--template", "lora_quickstart", "--set",
                         "model.baseModel=llama_tiny", "--set", "hardware.device=cpu",
                         "--dataset", str(self.dataset), "--dry-run")
        sources = {value["path"]: value["source"] for value in answer["values"]}
        self.assertEqual(sources["model.baseModel"], "user")
        self.assertEqual(sources["method.loraConfig.rank"], "template")
        self.assertIn("default", sources.values())


class IdentityTest(unittest.TestCase):
    def test_a_certificate_says_who_calls_and_not_the_client(self):
        cluster = Cluster(tls=True)
        self.addCleanup(cluster.close)
        path = cluster.folder / "configuration.json"
        path.write_text(json.dumps(tiny_configuration(5)))
        with mock.patch.dict(os.environ, LATHE_USER="service:mallory"):
            saved = cluster.lathe_json("config", "save", "mine", "-f", str(path))
            self.assertEqual(saved["owner"], "client")
            self.assertEqual(cluster.lathe("config", "list", "--all").returncode, 4)

    def test_secrets_go_along_only_with_a_name_and_only_with_the_same(self):
        cluster = Cluster(tls=True, secrets_keys=KEYS)
        self.addCleanup(cluster.close)
        for name, field in (("ann", "CN"), ("bob", "CN"), ("carol", "O"), ("dave", "O")):
            cluster.identities[name] = cluster.authority.issue(name, field)
        configuration = tiny_configuration(5)
        configuration["integrations"] = {"wandb": {"project": "p", "apiKey": SECRET}}
        path = cluster.folder / "configuration.json"
        path.write_text(json.dumps(configuration))
        dataset = write_tokenized(cluster.folder / "train.jsonl")

        def lathe(user: str, *arguments: str):
            answer = run_lathe("--address", cluster.address, *tls_options(cluster.identity(user)), *arguments)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            return answer

        for first, second, goes_along in (("ann", "ann", True), ("ann", "bob", False), ("carol", "dave", False)):
            with self.subTest(first=first, second=second):
                job = lathe(first, "submit", "-f", str(path), "--dataset", str(dataset)).stdout.strip()
                again = lathe(second, "restart", job)
                self.assertEqual("stay with whoever submitted it" not in again.stderr, goes_along, again.stderr)
                shown = cluster.job(again.stdout.strip())["configuration"]
                self.assertEqual("apiKey" in shown["integrations"]["wandb"], goes_along)


class SchemaTest(unittest.TestCase):
    def test_a_newer_schema_in_redis_is_not_led_over(self):
        cluster = Cluster()
        self.addCleanup(cluster.close)
        key = "lathe:configuration_schema"
        version = cluster.redis("HGET", key, "version")
        self.assertGreaterEqual(int(version), 1)
        self.assertIn("draft-07", cluster.redis("HGET", key, "json_schema"))
        cluster.kill("coordinator")
        cluster.redis("HSET", key, "version", "99")
        older = cluster.launch_coordinator()
        self.assertNotEqual(older.wait(timeout=60), 0)
        self.assertIn("99", cluster.log("coordinator"))
        cluster.redis("HSET", key, "version", version)
        cluster.start_coordinator()


class OfflineTest(unittest.TestCase):
    """What needs no coordinator works without one."""

    def lathe(self, *arguments: str):
        return run_lathe("--address", "127.0.0.1:1", *arguments)

    def test_templates_can_be_printed_checked_and_compared(self):
        templates = json.loads(self.lathe("config", "templates", "-o", "json").stdout)
        self.assertGreaterEqual(len(templates), 11)
        printed = self.lathe("config", "templates", "dpo_basic")
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertIn("beta", printed.stdout)
        same = self.lathe("config", "diff", "dpo_basic", "template:dpo_basic")
        self.assertEqual((same.returncode, same.stdout), (0, ""))
        schema = json.loads(self.lathe("config", "schema", "-o", "json").stdout)
        self.assertIn("properties", schema)


if __name__ == "__main__":
    unittest.main()
