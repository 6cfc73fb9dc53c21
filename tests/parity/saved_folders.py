#!/usr/bin/env python3
"""Trains a tiny model with every method and loads what was saved in the libraries that it is for.

usage: saved_folders.py LATHE_TRAINER TESTS_GOLDEN WORK_FOLDER

Run by a Python that has torch and transformers, and peft (for LoRA, prefix and full fine-tuning) or
adapters (for bottleneck adapters): what it lacks is passed over. Logits must agree within 1e-4.
"""
import importlib.util
import json
import pathlib
import subprocess
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

TRAINER, GOLDEN, WORK = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
MODEL = GOLDEN / "models" / "llama_tiny"


def train(name, method):
    folder = WORK / name
    folder.mkdir(parents=True)
    rows = [[(row * 31 + i * i * 7) % 500 for i in range(10 + row)] for row in range(8)]
    (folder / "train.jsonl").write_text(
        "".join(json.dumps({"input_ids": row, "labels": row}) + "\n" for row in rows))
    plan = {"planVersion": 1, "jobId": name, "attempt": 1, "device": "cpu",
            "configuration": {
                "model": {"precision": "fp32"}, "method": method,
                "datasets": {"format": "tokenized", "trainSplit": 1},
                "schedule": {"maxSteps": 12, "batchSize": 2, "evaluations": 0, "checkpoints": 0},
                "optimizer": {"learningRate": 5e-3}},
            "paths": {"baseModel": str(MODEL), "train": str(folder / "train.jsonl"),
                      "output": str(folder / "out")}}
    (folder / "plan.json").write_text(json.dumps(plan))
    subprocess.run([TRAINER, "run", folder / "plan.json"], check=True)
    return folder / "out" / "adapter"


def base():
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32,
                                                attn_implementation="eager")


def in_peft(folder):
    from peft import PeftModel
    return PeftModel.from_pretrained(base(), folder)


def in_transformers(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                attn_implementation="eager")


def in_adapters(folder):
    import adapters
    model = base()
    adapters.init(model)
    model.set_active_adapters(model.load_adapter(str(folder), use_safetensors=True))
    return model


CASES = {
    "lora": ({"type": "lora", "loraConfig": {"rank": 4}}, "peft", in_peft),
    "prefix": ({"type": "prefix", "prefixLength": 4}, "peft", in_peft),
    "projected": ({"type": "prefix", "prefixLength": 4, "prefixProjection": True}, "peft", in_peft),
    "full": ({"type": "full"}, "peft", in_transformers),
    "pfeiffer": ({"type": "adapter", "adapterSize": 7}, "adapters", in_adapters),
    "houlsby": ({"type": "adapter", "adapterVariant": "houlsby"}, "adapters", in_adapters),
    "parallel": ({"type": "adapter", "adapterVariant": "parallel"}, "adapters", in_adapters),
}


def check(name, method, load):
    folder = train(name, method)
    given = MODEL / "logits.safetensors"
    subprocess.run([TRAINER, "logits", MODEL, given, WORK / name / "logits.safetensors",
                    "--adapter", folder], check=True)
    ours = load_file(WORK / name / "logits.safetensors")["logits"]
    inputs = load_file(given)
    mask = inputs["attention_mask"]
    with torch.no_grad():
        theirs = load(folder).eval()(input_ids=inputs["input_ids"], attention_mask=mask).logits
    distance = ((ours - theirs).abs() * mask[..., None]).max().item()
    change = ((ours - inputs["logits"]).abs() * mask[..., None]).max().item()
    print(f"{name}: logits differ by {distance:.2e}; training changed them by {change:.2e}")
    return distance < 1e-4 and change > 1e-2


def main():
    known = {library: importlib.util.find_spec(library) for library in ("peft", "adapters")}
    results = [check(name, method, load) for name, (method, library, load) in CASES.items()
               if known[library]]
    sys.exit(0 if results and all(results) else 1)


main()
