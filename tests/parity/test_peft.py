"""What Lathe writes, in PEFT and transformers.

- adapters with DoRA, on a plain and on a quantised base, and with trained biases: PEFT's logits;
- a weighted sum of adapters: the logits of PEFT's add_weighted_adapter; adapters in sequence: those of
  PEFT's merge_and_unload, one after the other;
- a merged folder: transformers' logits, and the answers that its generate() gives.
"""
import json
import pathlib
import tempfile
import unittest

from programs import DEMO, GOLDEN, peer, trainer

COMPARE = """
    import json, sys, torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)
    for job in json.load(open(sys.argv[1])):
        model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
        if job.get("adapter"):
            from peft import PeftModel
            model = PeftModel.from_pretrained(model, job["adapter"])
        if job.get("sum"):
            from peft import PeftModel
            names = [f"a{i}" for i in range(len(job["sum"]))]
            for name, (folder, _) in zip(names, job["sum"]):
                if name == "a0":
                    model = PeftModel.from_pretrained(model, folder, adapter_name=name)
                else:
                    model.load_adapter(folder, adapter_name=name)
            weights = [weight for _, weight in job["sum"]]
            model.add_weighted_adapter(names, weights, "sum", combination_type="cat")
            model.set_adapter("sum")
        for folder in job.get("chain", []):
            from peft import PeftModel
            model = PeftModel.from_pretrained(model, folder).merge_and_unload()
        given = load_file(job["input"])
        mask = given["attention_mask"].long()
        with torch.no_grad():
            logits = model(input_ids=given["input_ids"].long(), attention_mask=mask).logits
        distance = (logits - load_file(job["logits"])["logits"]).abs()[mask.bool()].max()
        print(job["name"], float(distance))
"""

# One answer for each penalty.
ANSWER = """
    import json, sys, torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    given = tokenizer.apply_chat_template([{"role": "user", "content": sys.argv[2]}],
                                          add_generation_prompt=True, return_tensors="pt",
                                          return_dict=True)
    answers = []
    for penalty in sys.argv[3:]:
        said = model.generate(**given, max_new_tokens=40, do_sample=False,
                              repetition_penalty=float(penalty))
        answers.append(tokenizer.decode(said[0, given["input_ids"].shape[1]:],
                                        skip_special_tokens=True).strip())
    print(json.dumps(answers))
"""


class Peft(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def train(self, name, model, method):
        """A short run on token ids; the folder of its adapter."""
        folder = self.folder / name
        folder.mkdir()
        rows = [{"input_ids": ids, "labels": ids}
                for ids in ([(row * 31 + i * 7) % 500 + 5 for i in range(20)] for row in range(8))]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "plan.json").write_text(json.dumps({
            "planVersion": 1, "jobId": name, "attempt": 1, "device": "cpu",
            "configuration": {
                "model": {"baseModel": model.name, "precision": "fp32"},
                "datasets": {"format": "tokenized", "shuffle": False, "trainSplit": 1.0},
                "method": method,
                "schedule": {"maxSteps": 6, "batchSize": 2, "evaluations": 0},
                "optimizer": {"name": "adamw", "learningRate": 0.02}},
            "paths": {"baseModel": str(model), "train": str(folder / "rows.jsonl"),
                      "validation": None, "output": str(folder / "out"), "initAdapter": None},
            "distributed": {"worldSize": 1}}))
        trainer("run", folder / "plan.json")
        return folder / "out/adapter"

    def compare(self, jobs):
        """PEFT's logits, or those of transformers, with ours."""
        (self.folder / "jobs.json").write_text(json.dumps(jobs))
        lines = peer(COMPARE, self.folder / "jobs.json").splitlines()
        self.assertEqual(len(lines), len(jobs))
        for line in lines:
            self.assertLess(float(line.split()[1]), 1e-4, line)

    def test_peft_and_transformers_compute_the_same(self):
        jobs = []
        for name, base, lora in [
                ("dora", "llama_tiny", {"useDora": True}),
                ("dora_rslora", "qwen2_tiny", {"useDora": True, "useRslora": True}),
                ("bias_all", "qwen2_tiny", {"bias": "all", "trainableModules": "q_proj,o_proj"}),
                ("bias_only", "qwen2_tiny", {"bias": "lora_only"})]:
            model = GOLDEN / "models" / base
            adapter = self.train(name, model, {
                "type": "lora", "loraConfig": {"rank": 4, "alpha": 8, **lora}})
            logits = self.folder / f"{name}.safetensors"
            given = model / "logits.safetensors"
            trainer("logits", model, given, logits, "--adapter", adapter)
            jobs.append({"name": name, "model": str(model), "adapter": str(adapter),
                         "input": str(given), "logits": str(logits)})
            merged = self.folder / f"{name}_merged"
            trainer("merge", model, "--adapter", adapter, "--output", merged)
            jobs.append({**jobs[-1], "name": name + "_merged", "model": str(merged),
                         "adapter": None})
        self.compare(jobs)

    def test_peft_adds_up_the_same(self):
        jobs = []
        for base in ("llama_tiny", "qwen2_tiny"):
            model = GOLDEN / "models" / base
            first = self.train(f"{base}_first", model, {
                "type": "lora", "loraConfig": {"rank": 4, "alpha": 8}})
            second = self.train(f"{base}_second", model, {
                "type": "lora", "loraConfig": {"rank": 2, "alpha": 6, "useRslora": True,
                                               "trainableModules": "q_proj,down_proj"}})
            given = model / "logits.safetensors"
            for weights in ((1, 1), (0.5, -0.75)):
                name = f"{base}_{len(jobs)}"
                logits = self.folder / f"{name}.safetensors"
                trainer("logits", model, given, logits, "--compose",
                        f"additive:{first}={weights[0]},{second}={weights[1]}")
                jobs.append({"name": name, "model": str(model), "input": str(given),
                             "sum": [[str(first), weights[0]], [str(second), weights[1]]],
                             "logits": str(logits)})
        self.compare(jobs)

    def test_peft_merges_one_after_the_other_the_same(self):
        model = GOLDEN / "models/qwen2_tiny"
        given = model / "logits.safetensors"
        plain = self.train("plain", model, {"type": "lora", "loraConfig": {"rank": 4, "alpha": 8}})
        dora = self.train("dora", model, {
            "type": "lora", "loraConfig": {"rank": 2, "alpha": 6, "useDora": True}})
        biases = self.train("biases", model, {
            "type": "lora", "loraConfig": {"rank": 2, "alpha": 4, "bias": "lora_only",
                                           "useDora": True, "trainableModules": "q_proj,v_proj"}})
        jobs = []
        for chain in ([plain, dora, biases], [biases, dora, plain]):
            logits = self.folder / f"chain{len(jobs)}.safetensors"
            trainer("logits", model, given, logits, "--compose",
                    "sequential:" + ",".join(map(str, chain)))
            jobs.append({"name": f"chain{len(jobs)}", "model": str(model), "input": str(given),
                         "chain": list(map(str, chain)), "logits": str(logits)})
        self.compare(jobs)

    def test_transformers_gives_the_same_answers(self):
        merged = self.folder / "merged"
        trainer("merge", DEMO, "--adapter", GOLDEN / "demo_adapter/adapter", "--output", merged,
                "--precision", "fp32")
        question = "Tell me about the moon and the sun, and the moon again."
        penalties = ("1", "1.3")
        ours = [trainer("generate", merged, "--max-tokens", "40", "--repetition-penalty", penalty,
                        input=question).strip() for penalty in penalties]
        self.assertEqual(json.loads(peer(ANSWER, merged, question, *penalties)), ours)
        self.assertNotEqual(ours[0], ours[1], "the penalty changes nothing here")


if __name__ == "__main__":
    unittest.main()
