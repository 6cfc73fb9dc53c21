"""Adapters of several jobs in one answer: through the cluster the same as by hand on the same files."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from cluster import BINARIES, TINY_MODEL, Cluster, tiny_configuration, wait_until, write_tokenized

TEMPLATE = ("{% for m in messages %}<|start|>{{ m.role }}:{{ m.content }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}<|start|>assistant:{% endif %}")


def write_talking_model(folder: pathlib.Path) -> None:
    """The tiny model with a tokenizer of single bytes, so that it can be asked."""
    shutil.copytree(TINY_MODEL, folder)
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable}
    characters.update({byte: chr(0x100 + place) for place, byte in enumerate(others)})
    vocabulary = {characters[byte]: byte + 3 for byte in range(256)}
    special = {"<pad>": 0, "<bos>": 1, "<|end|>": 2, "<|start|>": 259}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False}
    (folder / "tokenizer.json").write_text(json.dumps({
        "model": {"type": "BPE", "vocab": {**vocabulary, **special}, "merges": []},
        "pre_tokenizer": byte_level, "decoder": byte_level,
        "added_tokens": [{"id": number, "content": text, "special": True}
                         for text, number in special.items()]}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|end|>", "chat_template": TEMPLATE}))


def tokens_of(question: str, answer: str) -> dict:
    """A row of training data in the model's tokens, of which the answer counts."""
    def ids(text):
        return [byte + 3 for byte in text.encode()]
    prompt = [259, *ids(f"user:{question}"), 2, 259, *ids("assistant:")]
    said = [*ids(answer), 2]
    return {"input_ids": prompt + said, "labels": [-100] * len(prompt) + said}


DRAWN = ("--max-tokens", "48", "--temperature", "1.5", "--seed", "5")


class ComposeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.model = cls.cluster.folder / "models/talking"
        write_talking_model(cls.model)
        # Each adapter is trained on a node of its own; that of the first is gone afterwards.
        cls.cluster.start_worker("worker-1")
        cls.one = cls.train("The lathe turns.", {"rank": 4})
        cls.cluster.kill("worker-1")
        cls.cluster.start_worker("worker-2")
        cls.other = cls.train("A file cuts.", {"rank": 8, "useDora": True})
        cls.folders = {job: cls.cluster.folder / f"pulled-{job}" for job in (cls.one, cls.other)}
        for job in cls.folders:
            cls.cluster.adapter_bytes(job)

    @classmethod
    def train(cls, answer: str, lora: dict, **method) -> str:
        data = cls.cluster.folder / "rows.jsonl"
        data.write_text("".join(json.dumps(tokens_of(question, answer)) + "\n"
                                for question in ("Hi!", "Who?", "What?", "Why?")))
        configuration = tiny_configuration(20)
        configuration["model"]["baseModel"] = "talking"
        configuration["method"] = {"type": "lora", "loraConfig": lora, **method}
        configuration["optimizer"]["learningRate"] = 5e-3
        job = cls.cluster.submit(configuration, data)
        assert cls.cluster.wait_for_end(job) == "succeeded", cls.cluster.job(job)
        return job

    def ask(self, *arguments: str) -> str:
        """What the cluster answers. What is drawn hangs on every score: others give another answer."""
        return self.cluster.lathe_json("generate", "--prompt", "Who?", *DRAWN, *arguments)["text"]

    def by_hand(self, *arguments: str) -> str:
        """What the trainer answers on this machine, with as many threads as a worker gives it."""
        answer = subprocess.run(
            [str(BINARIES / "lathe-trainer"), "generate", str(self.model), "--json", *DRAWN, *arguments],
            input="Who?", capture_output=True, text=True, timeout=120, check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"})
        return "".join(json.loads(line).get("text", "") for line in answer.stdout.splitlines())

    def write(self, method: str, first: dict, second: dict, by_hand: bool) -> str:
        """A file of a composition of the two, for the cluster or for the trainer."""
        named = [str(self.folders[job]) if by_hand else job for job in (self.one, self.other)]
        path = self.cluster.folder / f"{method}-{by_hand}.json"
        path.write_text(json.dumps({"method": method, "adapters": [
            {"adapter": name, **weights} for name, weights in zip(named, (first, second))]}))
        return str(path)

    def test_the_cluster_answers_as_the_trainer_does_by_hand(self):
        alone = {self.ask("--model", "talking"), self.ask("--job", self.one),
                 self.ask("--job", self.other)}
        self.assertEqual(len(alone), 3, "base and adapters differ")
        here = {job: str(folder) for job, folder in self.folders.items()}
        answers = set()
        for text in ("additive:{}=0.7,{}=0.3", "additive:{}=-0.5,{}=1.25",
                     "sequential:{},{}=0.6000000000000001"):
            answer = self.ask("--compose", text.format(self.one, self.other))
            self.assertEqual(answer, self.by_hand(
                "--compose", text.format(here[self.one], here[self.other])), text)
            answers.add(answer)
        for first, second in (({"weights": [1, 0.25]}, {"weights": [0, 0.75], "headWeight": 0.5}),
                              ({"weight": 0.1}, {"weights": [0.9]})):
            answer = self.ask("--compose", self.write("gated", first, second, by_hand=False))
            self.assertEqual(answer, self.by_hand(
                "--compose", self.write("gated", first, second, by_hand=True)))
            answers.add(answer)
        self.assertEqual(len(answers | alone), 8, "each is another one's answer")

    def test_one_with_weight_one_is_the_adapter_and_all_with_weight_zero_the_base(self):
        self.assertEqual(self.ask("--compose", f"additive:{self.one},{self.other}=0"),
                         self.ask("--job", self.one))
        self.assertEqual(self.ask("--compose", f"additive:{self.one}=0,{self.other}=0"),
                         self.ask("--model", "talking"))

    def refused(self, composition: str, code: int) -> list[dict]:
        answer = self.cluster.lathe("generate", "--prompt", "Who?", "--compose", composition,
                                    "-o", "json")
        self.assertEqual(answer.returncode, code, answer.stderr)
        self.assertEqual(answer.stdout, "")
        return json.loads(answer.stderr)["error"]["findings"]

    def test_what_cannot_be_combined_is_refused_with_all_findings(self):
        findings = self.refused(f"additive:{self.one}=1e9,job-doesnotexist,{self.other}=-101", 6)
        self.assertEqual([finding["path"] for finding in findings],
                         ["composition.adapters[0].weight", "composition.adapters[2].weight",
                          "composition.adapters[1].jobId"])
        self.refused(f"additive:{self.one},job-doesnotexist", 3)
        findings = self.refused(
            self.write("gated", {"weights": [1, 1, 1]}, {"weight": 1}, by_hand=False), 6)
        # By the coordinator, or by the trainer where no node has told the model's shape yet.
        self.assertIn("2 weights, one for each layer of", findings[0]["expected"])
        elsewhere = self.cluster.submit(tiny_configuration(2),
                                        write_tokenized(self.cluster.folder / "tiny.jsonl"))
        self.assertEqual(self.cluster.wait_for_end(elsewhere), "succeeded")
        self.assertEqual([finding["code"] for finding in self.refused(f"additive:{self.one},{elsewhere}", 6)],
                         ["other_model"])

    def test_methods_that_do_not_go_together_are_refused(self):
        prefix = self.train("A prefix.", {}, type="prefix")
        self.assertEqual([finding["code"] for finding in
                          self.refused(f"additive:{self.one},{prefix}=0.5", 6)], ["prefix_weight"])
        self.cluster.lathe("adapter", "pull", prefix, "-o", str(self.cluster.folder / "prefix"))
        self.assertEqual(self.ask("--compose", f"additive:{self.one}=0.5,{prefix}"),
                         self.by_hand("--compose", f"additive:{self.folders[self.one]}=0.5,"
                                                   f"{self.cluster.folder / 'prefix'}"))
        full = self.train("A whole model.", {}, type="full")
        self.assertEqual([finding["code"] for finding in self.refused(f"additive:{full},{self.one}", 6)],
                         ["whole_model"])

    def test_a_worker_that_goes_ends_the_answer_and_the_next_one_is_asked(self):
        question = ("generate", "--prompt", "Who?", "--compose", f"additive:{self.one},{self.other}")
        self.cluster.kill("worker-2")
        gone = self.cluster.lathe(*question)
        self.assertEqual(gone.returncode, 5, gone.stderr)
        self.cluster.start_worker("worker-2")
        wait_until(lambda: self.cluster.lathe(*question).returncode == 0, 30, "it answers again")


if __name__ == "__main__":
    unittest.main()
