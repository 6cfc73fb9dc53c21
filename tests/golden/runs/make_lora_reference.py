#!/usr/bin/env python3
"""Twenty steps of PEFT for each form of LoRA that the runs of this folder's README lack.

Needs torch, transformers, peft and bitsandbytes 0.50.2; runs on the CPU with one thread.
    make_lora_reference.py [RUN ...]

A quantised base is quantised by bitsandbytes and its values put back into the fp32 model: the
runs are those of a model with exactly these weights.
"""

import json
import pathlib
import shutil
import sys

import bitsandbytes.functional as functional
import peft
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
IGNORED = -100

# name, model, quantisation, what LoraConfig gets, standard deviation of the initial B
RUNS = {
    "llama_qlora_fp4": ("llama_tiny", {"quant": "fp4", "double_quant": False},
                        {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}, 0),
    "qwen2_qlora_int8": ("qwen2_tiny", {"quant": "int8"},
                         {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}, 0),
    "llama_dora_all": ("llama_tiny", {},
                       {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "use_dora": True},
                       0.05),
    "qwen2_qlora_dora_rslora": ("qwen2_tiny", {"quant": "nf4", "double_quant": True},
                                {"r": 4, "lora_alpha": 4, "use_dora": True, "use_rslora": True,
                                 "target_modules": ["q_proj", "o_proj", "up_proj"]}, 0.05),
    "qwen2_lora_bias_all": ("qwen2_tiny", {},
                            {"r": 4, "lora_alpha": 8, "target_modules": ["v_proj", "o_proj"],
                             "bias": "all"}, 0),
    "qwen2_lora_bias_only": ("qwen2_tiny", {},
                             {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"],
                              "bias": "lora_only"}, 0),
}
SPEC = {"steps": 20, "grad_accum": 2, "batch_size": 2, "seq_len": 24, "max_grad_norm": 1.0,
        "distinct_microbatches": 8,
        "optimizer": {"type": "adamw_torch", "lr": 0.005, "betas": [0.9, 0.999], "eps": 1e-8,
                      "weight_decay": 0.01},
        "schedule": {"type": "cosine", "warmup_steps": 4, "total_steps": 20}}


def quantised(weight, quant, double):
    if quant == "int8":
        codes, scales, _ = functional.int8_vectorwise_quant(weight.half())
        return codes.float() * (scales / 127.0)[:, None]
    codes, state = functional.quantize_4bit(weight, quant_type=quant, compress_statistics=double)
    return functional.dequantize_4bit(codes, state)


def make_model(name, quantisation, lora, b_deviation, seed):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        HERE.parent / "models" / name, dtype=torch.float32, attn_implementation="eager")
    model.config.use_cache = False
    if quantisation:
        for path, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and path != "lm_head":
                module.weight.data = quantised(module.weight.data, quantisation["quant"],
                                               quantisation.get("double_quant", False))
    torch.manual_seed(seed)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **lora))
    generator = torch.Generator().manual_seed(seed + 1)
    for path, parameter in model.named_parameters():
        if "lora_B" in path and b_deviation:
            parameter.data = torch.randn(parameter.shape, generator=generator) * b_deviation
    return model


def make_batches(config, seed):
    generator = torch.Generator().manual_seed(seed)
    rows, width = SPEC["batch_size"], SPEC["seq_len"]
    draw = lambda low, high, *shape: torch.randint(low, high, shape, generator=generator)
    batches = []
    for _ in range(SPEC["distinct_microbatches"]):
        ids = draw(3, config.vocab_size, rows, width)
        mask = torch.ones_like(ids)
        labels = ids.clone()
        for row in range(rows):
            length = width - int(draw(0, width // 3 + 1, 1)) if row else width
            mask[row, length:] = 0
            ids[row, length:] = 0
            labels[row, length:] = IGNORED
            labels[row, :int(draw(0, width // 2, 1))] = IGNORED
        batches.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
    return batches


def trainables(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def copies(parameters):
    return {name: p.detach().clone().contiguous() for name, p in parameters.items()}


def save_adapter(model, folder):
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = config["base_model_name_or_path"].split("/")[-1]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def train(model, batches):
    parameters = trainables(model)
    o = SPEC["optimizer"]
    optimizer = torch.optim.AdamW(parameters.values(), lr=o["lr"], betas=tuple(o["betas"]),
                                  eps=o["eps"], weight_decay=o["weight_decay"], foreach=False)
    schedule = transformers.get_cosine_schedule_with_warmup(
        optimizer, SPEC["schedule"]["warmup_steps"], SPEC["schedule"]["total_steps"])
    model.train()
    log = []
    accumulation = SPEC["grad_accum"]
    for step in range(SPEC["steps"]):
        used = [batches[(step * accumulation + i) % len(batches)] for i in range(accumulation)]
        tokens = sum(int((b["labels"][:, 1:] != IGNORED).sum()) for b in used)
        total = 0.0
        for b in used:
            logits = model(input_ids=b["input_ids"], attention_mask=b["attention_mask"]).logits
            loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]),
                                   b["labels"][:, 1:].reshape(-1), ignore_index=IGNORED,
                                   reduction="sum") / tokens
            loss.backward()
            total += float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), SPEC["max_grad_norm"],
                                              foreach=False)
        log.append({"step": step + 1, "loss": total, "grad_norm": float(norm),
                    "lr": optimizer.param_groups[0]["lr"], "num_tokens": tokens})
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return log


def run(name, seed):
    model_name, quantisation, lora, b_deviation = RUNS[name]
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model = make_model(model_name, quantisation, lora, b_deviation, seed)
    batches = make_batches(model.config, seed + 2)
    save_adapter(model, folder / "initial_adapter")
    save_file(copies(trainables(model)), folder / "trainable_initial.safetensors")
    log = train(model, batches)
    save_file(copies(trainables(model)), folder / "trainable_final.safetensors")
    save_file({f"{i}.{key}": value.to(torch.int32).contiguous()
               for i, b in enumerate(batches) for key, value in b.items()},
              folder / "batches.safetensors")
    versions = {module.__name__: module.__version__ for module in (torch, transformers, peft)}
    document = {"name": name, "model": f"models/{model_name}", **SPEC,
                "method": {"type": "lora", **quantisation, **lora}, "steps_log": log,
                "versions": versions}
    (folder / "run.json").write_text(json.dumps(document, indent=1) + "\n")
    print(name, log[0]["loss"], "->", log[-1]["loss"])


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    for index, name in enumerate(RUNS):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            run(name, 300 + 10 * index)


if __name__ == "__main__":
    main()
