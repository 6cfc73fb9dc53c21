#!/usr/bin/env python3
"""Trains a tiny model with every method and loads what was saved in the libraries that it is for:
logits must agree within 1e-4.

usage: saved_folders.py peft|adapterhub TRAINER TESTS_GOLDEN

Skipped (exit code 77) where ~/.cache/lathe has no Python environment of that name. `peft` needs
torch, transformers 5 and peft; `adapterhub` needs torch, adapters 1.3.0 and transformers 4.57.6.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

LIBRARY, TRAINER, GOLDEN = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
MODEL = GOLDEN / "models" / "llama_tiny"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
PYTHON = CACHE / "lathe" / LIBRARY / "bin" / "python"

if "LATHE_SAVED_FOLDERS" not in os.environ:
    if not PYTHON.exists():
        print(f"skipped: there is no {PYTHON}")
        sys.exit(77)
    environment = dict(os.environ, LATHE_SAVED_FOLDERS="1", HF_HUB_OFFLINE="1")
    sys.exit(subprocess.run([PYTHON, *sys.argv], env=environment).returncode)

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402


def train(folder, method):
    folder.mkdir()
    rows = [[(row * 31 + i * i * 7) % 500 for i in range(10 + row)] for row in range(8)]
    (folder / "train.jsonl").write_text(
        "".join(json.dumps({"input_ids": row, "labels": row}) + "\n" for row in rows))
    plan = {"planVersion": 1, "jobId": folder.name, "attempt": 1, "device": "cpu",
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
    "peft": {
        "lora": ({"type": "lora", "loraConfig": {"rank": 4}}, in_peft),
        "prefix": ({"type": "prefix", "prefixLength": 4}, in_peft),
        "projected": ({"type": "prefix", "prefixLength": 4, "prefixProjection": True}, in_peft),
        "full": ({"type": "full"}, in_transformers),
    },
    "adapterhub": {
        "pfeiffer": ({"type": "adapter", "adapterSize": 7}, in_adapters),
        "houlsby": ({"type": "adapter", "adapterVariant": "houlsby"}, in_adapters),
        "parallel": ({"type": "adapter", "adapterVariant": "parallel"}, in_adapters),
    },
}


def check(folder, method, load):
    adapter = train(folder, method)
    given = MODEL / "logits.safetensors"
    result = folder / "logits.safetensors"
    subprocess.run([TRAINER, "logits", MODEL, given, result, "--adapter", adapter], check=True)
    ours = load_file(result)["logits"]
    inputs = load_file(given)
    mask = inputs["attention_mask"]
    with torch.no_grad():
        theirs = load(adapter).eval()(input_ids=inputs["input_ids"], attention_mask=mask).logits
    distance = ((ours - theirs).abs() * mask[..., None]).max().item()
    change = ((ours - inputs["logits"]).abs() * mask[..., None]).max().item()
    print(f"{folder.name}: logits differ by {distance:.2e}; training changed them by {change:.2e}")
    return distance < 1e-4 and change > 1e-2


def main():
    with tempfile.TemporaryDirectory() as work:
        results = [check(pathlib.Path(work) / name, method, load)
                   for name, (method, load) in CASES[LIBRARY].items()]
    sys.exit(0 if all(results) else 1)


main()
