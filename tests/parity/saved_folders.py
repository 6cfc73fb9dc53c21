#!/usr/bin/env python3
"""Trains a tiny model with every method and loads what was saved in the libraries that it is for:
logits must agree within 1e-4. So must those of several of AdapterHub's adapters at once.

usage: saved_folders.py peft|adapterhub TRAINER TESTS_GOLDEN
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

LIBRARY, TRAINER, GOLDEN = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
MODEL = GOLDEN / "models" / "llama_tiny"

sys.path.append(str(GOLDEN.parent / "environments"))
import environments  # noqa: E402

PYTHON = environments.python_of(LIBRARY)
if pathlib.Path(sys.executable) != PYTHON:
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.execv(PYTHON, [PYTHON, *sys.argv])

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

GIVEN = MODEL / "logits.safetensors"
INPUTS = load_file(GIVEN)


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


def in_adapters(*folders, block=None):
    """With one adapter, or several in a composition block."""
    import adapters
    from adapters import composition
    model = base()
    adapters.init(model)
    names = [model.load_adapter(str(folder), load_as=f"adapter{i}", use_safetensors=True)
             for i, folder in enumerate(folders)]
    if block is None:
        model.set_active_adapters(names[0])
    else:
        name, options = block
        model.set_active_adapters(getattr(composition, name)(*names, **options))
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
        "wide": ({"type": "adapter", "adapterSize": 24}, in_adapters),
        "houlsby": ({"type": "adapter", "adapterVariant": "houlsby"}, in_adapters),
        "parallel": ({"type": "adapter", "adapterVariant": "parallel"}, in_adapters),
    },
}

# Our --compose beside AdapterHub's block. Not with "parallel": in a Stack it takes the place of all before it.
COMPOSITIONS = {
    "peft": [],
    "adapterhub": [
        ("sequential", "Stack", ["pfeiffer", "wide"]),
        ("sequential", "Stack", ["wide", "houlsby", "pfeiffer"]),
        ("additive", "Average", ["pfeiffer", "wide"]),
    ],
}
WEIGHTS = [0.3, 0.7]


def ours(work, *options):
    result = work / "logits.safetensors"
    subprocess.run([TRAINER, "logits", MODEL, GIVEN, result, *options], check=True)
    return load_file(result)["logits"]


def theirs(model):
    with torch.no_grad():
        return model.eval()(input_ids=INPUTS["input_ids"], attention_mask=INPUTS["attention_mask"]).logits


def distance(one, other):
    return ((one - other).abs() * INPUTS["attention_mask"][..., None]).max().item()


def check(name, ours, theirs, without, least):
    """Whether both agree, and what is tested does change the logits that there are without it."""
    differ, change = distance(ours, theirs), distance(ours, without)
    print(f"{name}: logits differ by {differ:.2e}; {change:.2e} is what it changes")
    return differ < 1e-4 and change > least


def check_composition(work, method, block, names, folders):
    if method == "sequential":
        given, options = folders, {}
        without = ours(work, "--compose", "additive:" + ",".join(map(str, folders)))
    else:
        # adapters 1.3.0 takes the mean of what it has multiplied by the weights.
        given = [f"{folder}={weight}" for folder, weight in zip(folders, WEIGHTS)]
        options = {"weights": [weight * len(WEIGHTS) for weight in WEIGHTS], "normalize_weights": False}
        without = ours(work, "--adapter", folders[0])
    combined = ours(work, "--compose", f"{method}:" + ",".join(map(str, given)))
    other = theirs(in_adapters(*folders, block=(block, options)))
    return check(f"{block} of {', '.join(names)}", combined, other, without, 1e-3)


def main():
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        adapters = {name: train(work / name, method) for name, (method, _) in CASES[LIBRARY].items()}
        results = [check(name, ours(work, "--adapter", adapters[name]), theirs(load(adapters[name])),
                         INPUTS["logits"], 1e-2) for name, (_, load) in CASES[LIBRARY].items()]
        results += [check_composition(work, method, block, names, [adapters[name] for name in names])
                    for method, block, names in COMPOSITIONS[LIBRARY]]
    sys.exit(0 if all(results) else 1)


main()
