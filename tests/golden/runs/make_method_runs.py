#!/usr/bin/env python3
"""Reference runs of prefix tuning (PEFT) and bottleneck adapters (AdapterHub), 20 steps each.

usage: make_method_runs.py prefix    with torch 2.13.0, transformers 5.23.0, peft 0.21.2
       make_method_runs.py adapter   with torch 2.13.0, transformers 4.57.6, adapters 1.3.0

Writes RUN/run.json, initial_adapter/ (in the library's layout), trainable_initial.safetensors,
trainable_final.safetensors (names as in the saved adapter) and final_logits_mb0.safetensors. The
micro-batches are those of llama_lora_all. CPU, one thread, fp32, eager attention.
"""
import json
import math
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
BATCHES = "llama_lora_all"
STEPS, ACCUMULATION, CLIP, WARMUP, RATE = 20, 2, 1.0, 4, 0.005
SIZE, LENGTH = 24, 5
VARIANTS = {"pfeiffer": "seq_bn", "houlsby": "double_seq_bn", "parallel": "par_bn"}


def load_model(name):
    return AutoModelForCausalLM.from_pretrained(
        HERE.parent / "models" / name, dtype=torch.float32, attn_implementation="eager")


def rate(step):
    if step < WARMUP:
        return RATE * step / WARMUP
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def logits_of(model, batch):
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


def train(model, parameters, batches):
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01, foreach=False)
    log = []
    for step in range(STEPS):
        chosen = [batches[(step * ACCUMULATION + a) % len(batches)] for a in range(ACCUMULATION)]
        tokens = sum(int((b["labels"][:, 1:] != -100).sum()) for b in chosen)
        total = 0.0
        for batch in chosen:
            logits = logits_of(model, batch)[:, :-1]
            loss = torch.nn.functional.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), batch["labels"][:, 1:].reshape(-1),
                ignore_index=-100, reduction="sum") / tokens
            loss.backward()
            total += float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=False)
        optimizer.param_groups[0]["lr"] = rate(step)
        log.append({"step": step + 1, "loss": total, "grad_norm": float(norm), "lr": rate(step),
                    "num_tokens": tokens})
        optimizer.step()
        optimizer.zero_grad()
    return log


def load_batches():
    file = load_file(HERE / BATCHES / "batches.safetensors")
    return [{key: file[f"{i}.{key}"].long() for key in ("input_ids", "attention_mask", "labels")}
            for i in range(8)]


def record(name, model_name, method, model, parameters, save, named):
    """save(folder) writes the adapter; named() gives its tensors under their names in the file."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    batches = load_batches()
    model.train()
    save(folder / "initial_adapter")
    copies = lambda: {key: value.detach().clone().contiguous() for key, value in named().items()}
    save_file(copies(), folder / "trainable_initial.safetensors")
    log = train(model, parameters, batches)
    save_file(copies(), folder / "trainable_final.safetensors")
    model.eval()
    with torch.no_grad():
        save_file({"logits": logits_of(model, batches[0]).contiguous()},
                  folder / "final_logits_mb0.safetensors")
    source = json.loads((HERE / BATCHES / "run.json").read_text())
    run = {"name": name, "model": f"models/{model_name}", "batches": BATCHES, "method": method,
           "optimizer": {"lr": RATE, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01},
           "schedule": {"type": "cosine", "warmup_steps": WARMUP, "total_steps": STEPS},
           "steps": STEPS, "grad_accum": ACCUMULATION, "max_grad_norm": CLIP,
           "batch_size": source["batch_size"], "seq_len": source["seq_len"],
           "distinct_microbatches": source["distinct_microbatches"], "steps_log": log}
    (folder / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    print(name, log[0]["loss"], "->", log[-1]["loss"])


def edit_config(name, key, value):
    path = HERE / name / "initial_adapter" / "adapter_config.json"
    config = json.loads(path.read_text())
    config[key] = value
    path.write_text(json.dumps(config, indent=2) + "\n")


def prefix_run(name, model_name):
    from peft import PrefixTuningConfig, TaskType, get_peft_model

    base = load_model(model_name)
    tokens = load_batches()[1]["input_ids"][:1, :LENGTH]
    with torch.no_grad():
        cache = base(input_ids=tokens, use_cache=True).past_key_values
    rows = torch.cat([part[0].transpose(0, 1).flatten(1) for layer in cache.layers
                      for part in (layer.keys, layer.values)], 1)
    model = get_peft_model(base, PrefixTuningConfig(task_type=TaskType.CAUSAL_LM,
                                                    num_virtual_tokens=LENGTH))
    weight = model.prompt_encoder["default"].embedding.weight
    with torch.no_grad():
        weight.copy_(rows)
    record(name, model_name, {"type": "prefix", "length": LENGTH}, model, [weight],
           lambda folder: model.save_pretrained(folder), lambda: {"prompt_embeddings": weight})
    for file in (HERE / name / "initial_adapter").glob("README*"):
        file.unlink()
    edit_config(name, "base_model_name_or_path", model_name)


def projected_prefix_run(name, model_name):
    from peft import PrefixTuningConfig, TaskType, get_peft_model

    torch.manual_seed(6)
    model = get_peft_model(load_model(model_name), PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM, num_virtual_tokens=LENGTH, prefix_projection=True,
        encoder_hidden_size=SIZE))
    encoder = model.prompt_encoder["default"]
    with torch.no_grad():  # Rows of the size of real keys, so that the prefix matters.
        encoder.transform[2].weight.normal_(0, 0.3)
    named = lambda: dict(encoder.named_parameters())

    def save(folder):
        model.save_pretrained(folder)
        save_file({key: value.detach().clone() for key, value in named().items()},
                  folder / "prefix_projection.safetensors")

    record(name, model_name, {"type": "prefix", "length": LENGTH, "projection_size": SIZE}, model,
           list(encoder.parameters()), save, named)
    for file in (HERE / name / "initial_adapter").glob("README*"):
        file.unlink()
    (HERE / name / "final_logits_mb0.safetensors").unlink()
    edit_config(name, "base_model_name_or_path", model_name)


def adapter_run(variant):
    import adapters
    from adapters.loading import AdapterLoader

    torch.manual_seed(5)
    model = load_model("llama_tiny")
    adapters.init(model)
    kind = adapters.AdapterConfig.load(VARIANTS[variant], reduction_factor=64 / SIZE)
    model.add_adapter("lathe", config=kind)
    model.train_adapter("lathe")
    named = lambda: {key: value for key, value in model.named_parameters()
                     if "adapters.lathe." in key}
    with torch.no_grad():  # All of it moves the result, so that a wrong gradient shows.
        for value in named().values():
            value.normal_(0, 0.2)
    record(f"llama_adapter_{variant}", "llama_tiny",
           {"type": "adapter", "variant": variant, "size": SIZE}, model, list(named().values()),
           lambda folder: AdapterLoader(model, use_safetensors=True).save(folder, "lathe"), named)
    edit_config(f"llama_adapter_{variant}", "model_name", "llama_tiny")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if sys.argv[1] == "prefix":
        prefix_run("llama_prefix", "llama_tiny")
        prefix_run("qwen2_prefix", "qwen2_tiny")
        projected_prefix_run("llama_prefix_projected", "llama_tiny")
    else:
        for variant in VARIANTS:
            adapter_run(variant)


main()
