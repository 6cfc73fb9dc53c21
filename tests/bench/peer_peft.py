#!/usr/bin/env python3
"""The Python side of the comparison: PEFT LoRA r=8 on every linear layer of the demo model.

usage: peer_peft.py MODEL_DIR fp32|bf16 THREADS BATCH LENGTH STEPS

Prints one JSON line: seconds from process start to the end of the first step, the best and median
step, tokens a second of the best step, peak memory. Needs torch, transformers and peft.
"""
import time

STARTED = time.time()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402


def main() -> None:
    folder, precision = sys.argv[1], sys.argv[2]
    threads, batch, length, steps = (int(word) for word in sys.argv[3:7])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear",
                                             task_type="CAUSAL_LM"))
    model.train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4)
    ids = torch.randint(0, model.config.vocab_size, (batch, length))
    first, seconds = None, []
    for _ in range(steps):
        begin = time.time()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.time() - begin)
        first = first or time.time() - STARTED
    rest = sorted(seconds[1:])
    print(json.dumps({
        "startToFirstStep": first, "bestStep": rest[0], "medianStep": rest[len(rest) // 2],
        "tokensPerSecond": batch * length / rest[0],
        "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


main()
