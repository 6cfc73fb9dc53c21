"""Going on from an adapter: one job's is the next one's beginning, and so is a folder from elsewhere."""
import json
import unittest

from cluster import Cluster, tiny_configuration, write_tokenized


class InitAdapterTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.cluster.start_worker("worker-1")
        cls.data = write_tokenized(cls.cluster.folder / "rows.jsonl")
        cls.first = cls.cluster.submit(tiny_configuration(20), cls.data)
        assert cls.cluster.wait_for_end(cls.first) == "succeeded", cls.cluster.job(cls.first)
        cls.last_loss = cls.cluster.metrics(cls.first)[-1]["loss"]

    def submit_from(self, init_from: str, steps: int = 5, **lora):
        configuration = tiny_configuration(steps)
        configuration["method"]["loraConfig"].update(dropout=0, **lora)
        path = self.cluster.folder / "next.json"
        path.write_text(json.dumps(configuration))
        return self.cluster.lathe("submit", "-f", str(path), "--dataset", str(self.data),
                                  "--init-from", init_from)

    def test_a_job_goes_on_from_the_job_before(self):
        answer = self.submit_from(self.first)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        job = answer.stdout.strip()
        self.assertEqual(self.cluster.wait_for_end(job), "succeeded")
        fresh = self.cluster.metrics(self.first)[0]["loss"]
        begin = self.cluster.metrics(job)[0]["loss"]
        self.assertLess(abs(begin - self.last_loss), abs(fresh - begin))
        self.assertLess(begin, fresh - 0.1)
        last = self.cluster.metrics(job)[-1]
        self.assertEqual(self.cluster.job(job)["progress"]["tokenAccuracy"], last["tokenAccuracy"])

    def test_a_folder_is_the_same_beginning(self):
        self.cluster.adapter_bytes(self.first)
        folder = self.cluster.folder / f"pulled-{self.first}"
        jobs = []
        for init_from in (self.first, str(folder)):
            answer = self.submit_from(init_from, steps=3)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            jobs.append(answer.stdout.strip())
            self.assertEqual(self.cluster.wait_for_end(jobs[-1]), "succeeded")
        losses = [[m["loss"] for m in self.cluster.metrics(job)] for job in jobs]
        self.assertEqual(losses[0], losses[1])
        self.assertEqual(self.cluster.adapter_bytes(jobs[0]), self.cluster.adapter_bytes(jobs[1]))

    def test_what_does_not_fit_is_refused_at_once(self):
        for init_from, lora, words in (
                ("job-000000000000", {}, ["method.loraConfig.initFrom", "no job"]),
                (self.first, {"rank": 4}, ["method.loraConfig.rank", "has 8 here"]),
                ("not-there", {}, ["method.loraConfig.initFrom", "job-"])):
            answer = self.submit_from(init_from, **lora)
            self.assertEqual(answer.returncode, 6, answer.stderr)
            for word in words:
                self.assertIn(word, answer.stderr)


if __name__ == "__main__":
    unittest.main()
