#!/usr/bin/env python3
"""The Python side of the decoding comparison: transformers' generate with a PEFT adapter, greedy.

usage: peer_generate.py MODEL_DIR ADAPTER_DIR fp32|bf16 PROMPTS.json THREADS TOKENS
       peer_generate.py --make-adapter MODEL_DIR ADAPTER_DIR

PROMPTS is a list of lists of token ids, answered as one batch, each with TOKENS new tokens. Prints
one JSON line: seconds from process start to a loaded model and to the first token, tokens a second
of generate() as a whole, peak memory. --make-adapter writes LoRA r=8 on every linear layer with
random values. Needs torch, transformers and peft.
"""
import time

STARTED = time.time()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402

import torch  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, StoppingCriteria  # noqa: E402


class Clock(StoppingCriteria):
    """Notes when each token has come; ends nothing."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids, scores, **_):
        self.times.append(time.time())
        return torch.zeros(input_ids.shape[0], dtype=torch.bool)


def make_adapter(model_folder: str, folder: str) -> None:
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32),
        LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.002)
    model.save_pretrained(folder)


def main() -> None:
    if sys.argv[1] == "--make-adapter":
        return make_adapter(sys.argv[2], sys.argv[3])
    folder, adapter, precision, path = sys.argv[1:5]
    threads, tokens = (int(word) for word in sys.argv[5:7])
    torch.set_num_threads(threads)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    model = PeftModel.from_pretrained(model, adapter).to(dtype).eval()
    with open(path) as file:
        prompts = json.load(file)
    length = max(len(prompt) for prompt in prompts)
    inputs = {"input_ids": torch.tensor([[2] * (length - len(p)) + p for p in prompts]),
              "attention_mask": torch.tensor([[0] * (length - len(p)) + [1] * len(p)
                                              for p in prompts])}
    clock = Clock()
    begin = time.time()
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens,
                             do_sample=False, pad_token_id=2, stopping_criteria=[clock])
    end = time.time()
    new = out[:, length:]
    return print(json.dumps({
        "load": begin - STARTED, "startToFirstToken": clock.times[0] - STARTED,
        "tokensPerSecond": new.numel() / (end - begin), "tokens": new.numel(),
        "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


main()
