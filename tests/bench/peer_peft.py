#!/usr/bin/env python3
"""The Python side of the comparison: PEFT's LoRA r=8 on every linear layer of the demo model, with
DoRA or without, or all of its weights by transformers alone.

usage: peer_peft.py MODEL_DIR fp32|bf16 ROWS.jsonl THREADS BATCH STEPS lora|dora|full

ROWS has input_ids and labels; a batch is padded to its longest row. Prints one JSON line: seconds
from process start until the first step begins and until it is done, tokens a second of each step
(without padding), peak memory. Needs torch, transformers and peft.
"""
import time

STARTED = time.time()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402


def padded(rows: list[dict]) -> tuple[dict, int]:
    length = max(len(row["input_ids"]) for row in rows)

    def column(key: str, fill: int) -> torch.Tensor:
        return torch.tensor([row[key] + [fill] * (length - len(row[key])) for row in rows])

    tokens = [len(row["input_ids"]) for row in rows]
    mask = torch.tensor([[1] * n + [0] * (length - n) for n in tokens])
    return {"input_ids": column("input_ids", 0), "labels": column("labels", -100),
            "attention_mask": mask}, sum(tokens)


def main() -> None:
    folder, precision, path = sys.argv[1:4]
    threads, batch, steps = (int(word) for word in sys.argv[4:7])
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    method = sys.argv[7]
    if method != "full":
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear",
                                                 use_dora=method == "dora", task_type="CAUSAL_LM"))
    model.train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4)
    begins, first, speeds = time.time() - STARTED, None, []
    for step in range(steps):
        begin = time.time()
        inputs, tokens = padded([rows[(step * batch + i) % len(rows)] for i in range(batch)])
        loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        speeds.append(tokens / (time.time() - begin))
        first = first or time.time() - STARTED
    print(json.dumps({
        "startToFirstStep": begins, "startToItsEnd": first, "tokensPerSecond": speeds,
        "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


main()
