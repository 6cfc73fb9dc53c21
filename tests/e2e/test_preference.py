"""Direct preference optimisation as a user sees it: from pairs to an adapter that prefers."""
import json
import unittest

from cluster import Cluster, tiny_configuration, write_tokenized


def write_pairs(path, rows: int = 24):
    """Pairs of token ids for the tiny model; what is chosen differs from what is rejected."""
    with path.open("w") as file:
        for row in range(rows):
            file.write(json.dumps({
                "prompt_ids": [row + 5, 11, 3 * row + 7],
                "chosen_ids": [100 + (row + 3 * i) % 90 for i in range(3 + row % 4)],
                "rejected_ids": [300 + (row + 5 * i) % 90 for i in range(2 + row % 5)]}) + "\n")
    return path


def preference_configuration(steps: int) -> dict:
    configuration = tiny_configuration(steps, evaluations=2)
    configuration["datasets"] = {"type": "preference", "trainSplit": 0.8}
    configuration["objective"] = {"type": "dpo", "dpo": {"beta": 0.2}}
    configuration["optimizer"]["learningRate"] = 3e-3
    return configuration


class PreferenceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.cluster.start_worker("worker-1")

    def test_the_margin_of_what_was_chosen_grows(self):
        pairs = write_pairs(self.cluster.folder / "pairs.jsonl")
        job = self.cluster.submit(preference_configuration(30), pairs)
        self.assertEqual(self.cluster.wait_for_end(job), "succeeded")
        metrics = self.cluster.metrics(job)
        self.assertEqual(len(metrics), 30)
        self.assertAlmostEqual(metrics[0]["rewardMargin"], 0, delta=1e-3)
        self.assertGreater(metrics[-1]["rewardMargin"], 1)
        self.assertEqual(metrics[-1]["rewardAccuracy"], 1)
        table = self.cluster.lathe("metrics", job)
        self.assertIn("MARGIN", table.stdout)
        evaluations = self.cluster.lathe_json("metrics", job, "--evaluations")
        self.assertGreater(evaluations[-1]["rewardMargin"], 0.2)
        self.assertIn(b"lora_A.weight", self.cluster.adapter_bytes(job))

    def test_rows_without_pairs_are_refused_by_name(self):
        rows = write_tokenized(self.cluster.folder / "rows.jsonl")
        job = self.cluster.submit(preference_configuration(5), rows)
        self.assertEqual(self.cluster.wait_for_end(job), "failed")
        self.assertIn("learns from pairs", json.dumps(self.cluster.events(job)))


if __name__ == "__main__":
    unittest.main()
