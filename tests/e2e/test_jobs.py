"""One job's way through the house, and what bad input gets, as a user sees them."""
import json
import unittest

from cluster import BINARIES, Cluster, tiny_configuration, wait_until, write_tokenized


class JobsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.cluster.start_worker("worker-1")
        cls.dataset = write_tokenized(cls.cluster.folder / "train.jsonl")

    def submit_file(self, configuration: dict, *more: str):
        path = self.cluster.folder / "configuration.json"
        path.write_text(json.dumps(configuration))
        return self.cluster.lathe("submit", "-f", str(path), *more)

    def test_submit_watch_pull(self):
        job = self.cluster.submit(tiny_configuration(60), self.dataset)
        watched = self.cluster.lathe("watch", job)
        self.assertEqual(watched.returncode, 0, watched.stderr)
        self.assertEqual(self.cluster.state(job), "succeeded")
        losses = [m["loss"] for m in self.cluster.metrics(job)]
        self.assertEqual(len(losses), 60)
        self.assertLess(sum(losses[-8:]), sum(losses[:8]), "the loss falls")
        header = self.cluster.adapter_bytes(job)
        self.assertIn(b"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", header)

    def test_cancel_in_mid_run(self):
        job = self.cluster.submit(tiny_configuration(5000), self.dataset)
        self.cluster.wait_for_step(job, 5)
        self.assertEqual(self.cluster.lathe("cancel", job).returncode, 0)
        self.assertEqual(self.cluster.wait_for_end(job, 30), "cancelled")
        wait_until(lambda: not self.cluster.trainers(job), 30, "the trainer is gone")
        self.assertEqual(self.cluster.lathe("cancel", job).returncode, 0, "cancelling again is fine")

    def test_pending_job_says_why_it_waits(self):
        first = self.cluster.submit(tiny_configuration(5000), self.dataset)
        self.cluster.wait_for_step(first, 1)
        second = self.cluster.submit(tiny_configuration(5), self.dataset)
        self.assertEqual(self.cluster.state(second), "pending")
        wait_until(lambda: "slot" in self.cluster.job(second)["reason"].lower(), 5,
                   "the reason names the missing CPU slot")
        self.cluster.lathe("cancel", first)
        self.assertEqual(self.cluster.wait_for_end(second, 60), "succeeded")

    def test_a_job_goes_only_where_the_trainer_can_do_it(self):
        cluster = Cluster()
        self.addCleanup(cluster.close)
        # A trainer of an earlier release, as it tells of itself.
        older = cluster.folder / "older-trainer"
        older.write_text(f'#!/bin/sh\ntest "$1" = capabilities || exec {BINARIES}/lathe-trainer "$@"\n'
                         f'{BINARIES}/lathe-trainer capabilities | grep -v \'"prefix",\'\n')
        older.chmod(0o755)
        cluster.start_worker("older", settings=f"trainer: {older}\n")
        wait_until(lambda: "prefix" not in cluster.lathe_json("provider", "capabilities", "lathe")["methods"], 20,
                   "it has told")
        configuration = {**tiny_configuration(3), "method": {"type": "prefix"}}
        path = cluster.folder / "prefix.json"
        path.write_text(json.dumps(configuration))
        dataset = write_tokenized(cluster.folder / "train.jsonl")
        refused = cluster.lathe("submit", "-f", str(path), "--dataset", str(dataset))
        self.assertEqual(refused.returncode, 6)
        self.assertIn("method.type", refused.stderr)
        # Accepted because of a node that goes.
        cluster.start_worker("newer")
        wait_until(lambda: "prefix" in cluster.lathe_json("provider", "capabilities", "lathe")["methods"], 20,
                   "the newer one has told")
        blocker = cluster.submit(tiny_configuration(5000), dataset)
        other = cluster.submit(tiny_configuration(5000), dataset)
        cluster.wait_for_step(blocker, 1)
        cluster.wait_for_step(other, 1)
        job = cluster.submit(configuration, dataset)
        on_newer = blocker if cluster.job(blocker)["nodeId"] == "newer" else other
        cluster.lathe("cancel", other if on_newer == blocker else blocker)
        cluster.wait_for_end(other if on_newer == blocker else blocker)
        self.assertEqual(cluster.state(job), "pending", "a place is free where it can't run")
        cluster.kill("newer")
        wait_until(lambda: "older lacks cpu method.type=prefix" in cluster.lathe("explain", job).stdout, 20,
                   "it says what it waits for")
        cluster.start_worker("newer")
        self.assertEqual(cluster.wait_for_end(job), "succeeded")
        self.assertEqual(cluster.job(job)["nodeId"], "newer")

    def test_dry_run_stores_nothing(self):
        before = self.cluster.lathe_json("list")
        configuration = tiny_configuration(5)
        answer = self.submit_file(configuration, "--dataset", str(self.dataset), "--dry-run")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual(self.cluster.lathe_json("list"), before)

    def test_estimate_tells_memory_steps_and_time_beforehand(self):
        configuration = tiny_configuration(7)
        configuration["schedule"]["sequenceLength"] = 1024
        path = self.cluster.folder / "estimated.json"
        path.write_text(json.dumps(configuration))
        arguments = ("estimate", "-f", str(path), "--dataset", str(self.dataset), "-o", "json")
        wait_until(lambda: self.cluster.lathe(*arguments).returncode == 0, 60,
                   "the worker has told the model's shape")
        wait_until(lambda: "seconds" in self.cluster.lathe_json(*arguments[:-2]), 60,
                   "the worker has told its speed")
        estimate = self.cluster.lathe_json(*arguments[:-2])
        self.assertEqual(estimate["steps"], 7)
        self.assertTrue(estimate["fits"])
        self.assertGreater(estimate["memoryBytes"]["total"], estimate["memoryBytes"]["weights"])
        answer = self.submit_file(configuration, "--dataset", str(self.dataset), "-o", "json")
        created = json.loads(answer.stdout)
        self.assertEqual(created["estimate"]["steps"], 7)
        self.assertEqual(self.cluster.wait_for_end(created["id"]), "succeeded")
        codes = [finding["code"] for finding in created["findings"]]
        self.assertIn("beyond_model", codes, "the tiny model's context is 256 tokens")

    def test_bad_configuration_lists_every_finding(self):
        configuration = tiny_configuration(5)
        configuration["method"]["loraConfig"]["rank"] = 0
        configuration["schedule"]["batchSize"] = 65
        configuration["schedule"]["epocs"] = 2
        answer = self.submit_file(configuration, "--dataset", str(self.dataset))
        self.assertEqual(answer.returncode, 6, answer.stderr)
        for words in ("method.loraConfig.rank", "schedule.batchSize", "schedule.epocs", "epochs"):
            self.assertIn(words, answer.stderr)

    def test_unknown_model_names_those_that_exist(self):
        configuration = tiny_configuration(5)
        configuration["model"]["baseModel"] = "lama_tiny"
        answer = self.submit_file(configuration, "--dataset", str(self.dataset))
        self.assertEqual(answer.returncode, 6, answer.stderr)
        self.assertIn("llama_tiny", answer.stderr)

    def test_empty_and_missing_dataset(self):
        empty = self.cluster.folder / "empty.jsonl"
        empty.write_text("")
        answer = self.submit_file(tiny_configuration(5), "--dataset", str(empty))
        self.assertEqual(answer.returncode, 6, answer.stderr)
        self.assertIn("empty", answer.stderr)
        answer = self.submit_file(tiny_configuration(5), "--dataset", "/no/such/file.jsonl")
        self.assertIn(answer.returncode, (2, 3), answer.stderr)
        self.assertIn("/no/such/file.jsonl", answer.stderr)

    def test_broken_line_fails_the_job_with_its_number(self):
        broken = self.cluster.folder / "broken.jsonl"
        lines = self.dataset.read_text().splitlines()
        lines[4] = '{"input_ids": [1, 2'
        broken.write_text("\n".join(lines) + "\n")
        job = self.cluster.submit(tiny_configuration(5), broken)
        self.assertEqual(self.cluster.wait_for_end(job, 60), "failed")
        self.assertIn("5", self.cluster.job(job)["reason"])
        self.assertEqual(self.cluster.job(job)["attempt"], 1, "a user's error is not tried again")

    def test_unknown_job(self):
        self.assertEqual(self.cluster.lathe("get", "job-doesnotexist").returncode, 3)

    def test_generate_with_and_without_adapter(self):
        # The tiny model has no tokenizer: the answer is a clear error, not a crash.
        answer = self.cluster.lathe("generate", "--model", "llama_tiny", "--prompt", "hello")
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("tokenizer", answer.stderr)


class RefusalsTest(unittest.TestCase):
    def test_no_coordinator(self):
        import subprocess
        answer = subprocess.run([str(BINARIES / "lathe"), "--address", "127.0.0.1:1", "list"],
                                capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(answer.returncode, 5)
        self.assertIn("127.0.0.1:1", answer.stderr)
        self.assertEqual(answer.stdout, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
