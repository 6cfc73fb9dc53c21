"""The translated requests of tests/golden/providers fit the types of the providers' own clients."""
import json
import os
import pathlib
import unittest

import client_types

GOLDEN = pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests/golden/providers"
ENGINES = pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "coordinator/providers/engines"


class Checker(unittest.TestCase):
    """The checker itself finds what does not fit."""

    def test_finds_what_does_not_fit(self):
        wanted = client_types.request_type("openai", "")
        body = {"model": "m", "training_file": "f", "method": {"type": "supervised", "supervised": {
            "hyperparameters": {"n_epochs": 3}}}}
        self.assertEqual(client_types.problems(body, wanted), [])
        for path, value, word in [(["models"], 1, "unknown"), (["seed"], "x", "wanted"),
                                  (["method", "type"], "sft", "none of"),
                                  (["method", "supervised", "hyperparameters", "epochs"], 1, "unknown"),
                                  (["method", "supervised", "hyperparameters", "n_epochs"], 1.5, "")]:
            broken = json.loads(json.dumps(body))
            place = broken
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            found = client_types.problems(broken, wanted)
            self.assertTrue(found and word in found[0], (path, found))
        self.assertIn("missing", client_types.problems({"model": "m"}, wanted)[0])
        aliased = client_types.request_type("fireworks", "")
        self.assertEqual(client_types.problems({"dataset": "d", "baseModel": "m"}, aliased), [])
        self.assertTrue(client_types.problems({"dataset": "d", "base_model": "m"}, aliased))


class Golden(unittest.TestCase):
    def test_requests_fit_the_clients_types(self):
        checked = 0
        for engine in ["openai", "together", "fireworks", "mistral"]:
            for file in sorted(GOLDEN.glob(f"{engine}.*.json")):
                document = json.loads(file.read_text())
                request = document["requests"][-1]
                # What an engine refuses need not fit.
                if any(f["severity"] == "error" for f in document["findings"]):
                    continue
                with self.subTest(file=file.name):
                    wanted = client_types.request_type(engine, request["path"])
                    self.assertEqual(client_types.problems(request["body"], wanted), [])
                checked += 1
        self.assertGreaterEqual(checked, 11)


class Answers(unittest.TestCase):
    """What the descriptions look for in answers can stand there."""

    def check(self, engine: str, what: str, places) -> None:
        for place in places:
            with self.subTest(engine=engine, what=what, place=place):
                self.assertTrue(client_types.has_place(client_types.answer_type(engine, what), place))

    def test_the_checker_finds_what_is_not_there(self):
        wanted = client_types.answer_type("mistral", "query")
        self.assertFalse(client_types.has_place(wanted, "/message"))
        self.assertTrue(client_types.has_place(wanted, "/checkpoints/0/metrics/train_loss"))
        self.assertFalse(client_types.has_place(wanted, "/checkpoints/0/metrics/loss"))

    def test_places_of_jobs(self):
        for engine in client_types.ANSWERS:
            described = json.loads((ENGINES / f"{engine}.json").read_text())
            status = described["status"]
            self.check(engine, "query", [status["state"], status.get("error", ""), status["model"][0]])
            if "find" in described:
                find = described["find"]
                self.check(engine, "find", [find["id"], *find.get("match", {}), *find.get("contains", {})])
            if "upload" in client_types.ANSWERS[engine]:
                self.check(engine, "upload", [described["upload"][0]["save"]["file_id"]])
        self.check("fireworks", "dpo", ["/state", "/status/message", status["model"][-1]])

    def test_places_of_events(self):
        for engine, answers in client_types.ANSWERS.items():
            for events in json.loads((ENGINES / f"{engine}.json").read_text()).get("events", []):
                if events.get("inQuery"):
                    self.check(engine, "query", [events["list"]])
                elif events["name"] in answers:
                    self.check(engine, events["name"], [events["list"]])
                if events["list"] in answers:
                    self.check(engine, events["list"], [
                        events.get("id", ""), events.get("time", ""), *events.get("message", []),
                        events.get("failure", ""), *events.get("failureIf", {}), *events.get("metrics", {}).values()])


if __name__ == "__main__":
    unittest.main()
