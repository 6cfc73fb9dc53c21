"""Training plans at random, the same for the same seed: model, method, objective, optimizer, data,
schedule and what saves memory, as they may be combined by someone whom no test's author thought of.
"""
import json
import os
import pathlib
import random
import shutil

GOLDEN = pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests/golden"
TEMPLATE = ("{% for m in messages %}{{ '<|start|>' + m.role + ':' + m.content + '<|end|>' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant:' }}{% endif %}")
WORDS = ["cat", "dog", "lathe", "turns", "wood", "\u00e9", "\u65e5\u672c", "42", "ok."]
BYTES = 256
SAVINGS = ["gradient_checkpointing", "activation_offloading", "dynamic_padding"]


def byte_level_vocabulary() -> dict:
    """The characters that a byte-level vocabulary writes for the bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(BYTES) if byte not in printable]
    return {**{chr(byte): byte for byte in printable},
            **{chr(BYTES + at): byte for at, byte in enumerate(others)}}


def write_tokenizer(folder: pathlib.Path):
    byte_level = {"type": "ByteLevel", "add_prefix_space": False}
    (folder / "tokenizer.json").write_text(json.dumps({
        "model": {"type": "BPE", "vocab": byte_level_vocabulary(), "merges": []},
        "pre_tokenizer": byte_level, "decoder": byte_level,
        "added_tokens": [{"id": BYTES + at, "content": text, "special": True}
                         for at, text in enumerate(["<|start|>", "<|end|>"])]}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": TEMPLATE, "eos_token": "<|end|>"}))


class RandomPlan:
    """One plan in a folder of its own: self.configuration, self.rows and self.validation may be
    changed before `write`."""

    def __init__(self, seed: int, folder: pathlib.Path):
        self.folder = folder
        self.random = random.Random(seed)
        models = sorted(path for path in (GOLDEN / "models").iterdir() if path.is_dir())
        self.model = folder / "model"
        source = self.random.choice(models)
        shutil.copytree(source, self.model)
        self.vocabulary = json.loads((source / "config.json").read_text())["vocab_size"]
        has_text = self.vocabulary >= BYTES + 2
        if has_text:
            write_tokenizer(self.model)
        self.pairs = has_text and self.chance(0.3)
        formats = ["messages", "prompt_completion", "text", "tokenized"] if has_text else \
            ["tokenized"]
        self.format = "preference" if self.pairs else self.random.choice(formats)
        self.rows = [self.row() for _ in range(self.random.randint(6, 20))]
        self.validation = [self.row() for _ in range(self.random.randint(1, 5))]
        self.configuration = self.make_configuration(source.name)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def words(self, most: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(self.random.randint(1, most)))

    def tokenized_row(self) -> dict:
        ids = [self.random.randrange(self.vocabulary) for _ in range(self.random.randint(3, 50))]
        prompt = self.random.randint(0, len(ids) - 2)
        return {"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]}

    def row(self) -> dict:
        if self.format == "tokenized":
            return self.tokenized_row()
        if self.format == "text":
            return {"text": self.words(16)}
        if self.format == "prompt_completion":
            return {"prompt": self.words(8), "completion": " " + self.words(6)}
        if self.format == "messages":
            return {"messages": [{"role": role, "content": self.words(6)}
                                 for _ in range(self.random.randint(1, 3))
                                 for role in ("user", "assistant")]}
        chosen = self.words(6)
        return {"prompt": self.words(6), "chosen": chosen, "rejected": chosen[:1] + self.words(5)}

    def make_method(self, model: str) -> dict:
        kind = self.random.choice(["lora", "lora", "qlora", "full", "prefix", "adapter"])
        method = {"type": kind}
        if kind in ("lora", "qlora"):
            method["loraConfig"] = {
                "rank": self.random.choice([1, 2, 8, 16]), "alpha": self.random.choice([1, 8, 32]),
                "dropout": self.random.choice([0, 0, 0.1]), "useRslora": self.chance(0.3),
                "useDora": self.chance(0.25), "bias": self.random.choice(["none"] * 3 + ["all"]),
                "trainableModules": "all-linear" if model.startswith("phi3") else
                                    self.random.choice(["all-linear", "q_proj,v_proj,down_proj"])}
        if kind == "qlora":
            method["quantizationBits"] = self.random.choice([4, 8])
            if method["quantizationBits"] == 4:
                method["quantType"] = self.random.choice(["nf4", "fp4"])
                method["doubleQuant"] = self.chance(0.5)
        if kind == "prefix":
            method["prefixLength"] = self.random.choice([1, 3, 8])
            if self.chance(0.4):
                method.update(prefixProjection=True, prefixHiddenSize=8)
        if kind == "adapter":
            method["adapterSize"] = self.random.choice([4, 16])
            method["adapterVariant"] = self.random.choice(["pfeiffer", "houlsby", "parallel"])
        return method

    def make_configuration(self, model: str) -> dict:
        pick = self.random.choice
        schedule = {"maxSteps": self.random.randint(3, 8), "batchSize": pick([1, 2, 3, 4]),
                    "gradientAccumulation": pick([1, 2, 3]), "evaluations": pick([0, 1, 3]),
                    "checkpoints": pick([0, 1, 2])}
        if self.chance(0.4):
            del schedule["checkpoints"]
            schedule.update(saveSteps=pick([1, 2, 3]), saveTotalLimit=pick([1, 2]))
        enabled = [name for name in [*SAVINGS, "sequence_packing"] if self.chance(0.3)]
        made = {
            "model": {"baseModel": model, "precision": pick(["fp32", "fp32", "bf16", "fp16"])},
            "datasets": {"format": self.format, "shuffle": self.chance(0.7), "trainSplit": 1.0},
            "method": self.make_method(model), "schedule": schedule,
            "optimizer": {
                "name": pick(["adamw", "adamw", "adamw_8bit", "paged_adamw_8bit", "sgd",
                              "adafactor", "lion"]),
                "learningRate": pick([1e-4, 1e-3, 5e-3]), "weightDecay": pick([0, 0.01]),
                "maxGradientNorm": pick([0, 0.1, 1]),
                "scheduler": {"type": pick(["cosine", "linear", "constant", "polynomial"]),
                              "warmupRatio": pick([0, 0.3]), "minLRRatio": pick([0, 0.1])}},
            "optimizations": {"enabled": enabled}, "seed": self.random.randrange(1000)}
        if self.pairs:
            made["objective"] = {"type": "dpo", "dpo": {"lossType": pick(["sigmoid", "ipo"]),
                                                        "referenceFree": self.chance(0.3)}}
        return made

    def write(self, output: str, processes: int = 1) -> pathlib.Path:
        """The plan's file; its output goes to folder/output."""
        for name, rows in (("train", self.rows), ("validation", self.validation)):
            (self.folder / f"{name}.jsonl").write_text(
                "".join(json.dumps(row) + "\n" for row in rows))
        plan = self.folder / f"{output}.json"
        plan.write_text(json.dumps({
            "planVersion": 1, "jobId": "random", "attempt": 1, "device": "cpu",
            "configuration": self.configuration,
            "paths": {"baseModel": str(self.model), "train": str(self.folder / "train.jsonl"),
                      "validation": str(self.folder / "validation.jsonl"),
                      "output": str(self.folder / output), "initAdapter": None},
            "distributed": {"worldSize": processes}}, indent=1))
        return plan
