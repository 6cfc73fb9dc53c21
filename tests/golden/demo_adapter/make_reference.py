#!/usr/bin/env python3
"""What Python says of an adapter that Lathe trained: the logits of PEFT for the golden adapter.

usage: make_reference.py DEMO.gguf                 writes reference.safetensors beside this script
       make_reference.py DEMO.gguf --export DIR    the demo model as a Hugging Face folder (fp32)

Recorded with torch 2.13.0 (CPU), transformers 5.23.0, peft 0.21.2, gguf 0.19.0 in fp32. `adapter/`
was written by lathe-trainer (plan.json beside it: demo data, r 4 on q_proj and v_proj, 24 steps).
`input_ids` are a chat of the demo's validation data in the model's own template.
"""
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
# Full rows of 49152 logits are kept for these positions only.
POSITIONS = [10, 40, -1]


def load(path: pathlib.Path):
    read = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name,
                                                dtype=torch.float32)
    # A model that was read from GGUF refuses to be saved; one with the same weights does not.
    config = LlamaConfig(**{key: value for key, value in read.config.to_dict().items()
                            if key != "quantization_config"})
    model = LlamaForCausalLM(config)
    model.load_state_dict(read.state_dict())
    return model.eval()


def main() -> None:
    model = load(pathlib.Path(sys.argv[1]))
    if len(sys.argv) > 3 and sys.argv[2] == "--export":
        model.save_pretrained(sys.argv[3])
        return
    ids = load_file(HERE / "input.safetensors")["input_ids"].long()
    with torch.no_grad():
        base = model(input_ids=ids).logits[0]
        adapted = PeftModel.from_pretrained(model, HERE / "adapter")(input_ids=ids).logits[0]
    top = adapted.topk(8)
    save_file({
        "base": base[POSITIONS].contiguous(), "adapted": adapted[POSITIONS].contiguous(),
        "positions": torch.tensor([p % ids.shape[1] for p in POSITIONS]),
        "top_values": top.values.contiguous(), "top_indices": top.indices.contiguous(),
    }, HERE / "reference.safetensors")
    print("largest change by the adapter:", (adapted - base).abs().max().item())


main()
