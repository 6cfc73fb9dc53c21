#!/usr/bin/env python3
"""References for preference losses, made with PyTorch and peft from the recorded micro-batches.

usage: make_preference_reference.py RUNS_FOLDER   (tests/golden/runs; ../models beside it)

Takes data, model and initial adapter of llama_dpo_lora and trains with other losses, eager
attention, fp32, one thread. Losses:
  sigmoid  -(1-e) logsigmoid(b d) - e logsigmoid(-b d), e = label_smoothing: preference_loss of the
           DPO authors' code; with e = 0 also trl's "sigmoid"
  ipo      as in trl's DPOTrainer._compute_loss: log-ratios divided by each completion's length
d = (policy - reference) of chosen minus that of rejected; a reference_free run has no reference.
The logged rewards are trl's: b (policy - reference), mean over pairs.
"""
import json
import math
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import torch.nn.functional as F
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

SOURCE = "llama_dpo_lora"
RUNS = {
    "llama_dpo_ipo": {"loss_type": "ipo", "beta": 0.1},
    "llama_dpo_smoothed": {"loss_type": "sigmoid", "beta": 0.3, "label_smoothing": 0.2},
    "llama_dpo_reference_free": {"loss_type": "sigmoid", "beta": 0.1, "reference_free": True},
    "llama_dpo_full": {"loss_type": "sigmoid", "beta": 0.1, "method": {"type": "full"}},
}


def log_probabilities(model, batch):
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    log_p = torch.log_softmax(logits[:, :-1].float(), -1)
    taken = log_p.gather(-1, batch["input_ids"][:, 1:, None]).squeeze(-1)
    return (taken * batch["completion_mask"][:, 1:]).sum(1)


def pair_losses(spec, policy, reference, lengths):
    chosen, rejected = (policy - reference).chunk(2)
    beta = spec["beta"]
    if spec["loss_type"] == "ipo":
        chosen_length, rejected_length = lengths.chunk(2)
        delta = chosen / chosen_length - rejected / rejected_length
        return (delta - 1 / (2 * beta)) ** 2
    smoothing = spec.get("label_smoothing", 0.0)
    delta = chosen - rejected
    return -(1 - smoothing) * F.logsigmoid(beta * delta) - smoothing * F.logsigmoid(-beta * delta)


def make_model(runs, source, full):
    base = transformers.AutoModelForCausalLM.from_pretrained(
        os.path.join(runs, "..", source["model"]), dtype=torch.float32,
        attn_implementation="eager")
    base.config.use_cache = False
    if full:
        return base
    return PeftModel.from_pretrained(base, os.path.join(runs, SOURCE, "initial_adapter"),
                                     is_trainable=True)


def train(runs, spec):
    with open(os.path.join(runs, SOURCE, "run.json"), encoding="utf-8") as file:
        source = json.load(file)
    stored = load_file(os.path.join(runs, SOURCE, "batches.safetensors"))
    batches = [{key: stored[f"{i}.{key}"].long()
                for key in ("input_ids", "attention_mask", "completion_mask")}
               for i in range(source["distinct_microbatches"])]
    full = spec.get("method", source["method"])["type"] == "full"
    model = make_model(runs, source, full)
    frozen = make_model(runs, source, full) if full else None
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    settings = source["optimizer"]
    optimizer = torch.optim.AdamW(trained.values(), lr=settings["lr"], eps=settings["eps"],
                                  betas=settings["betas"], foreach=False,
                                  weight_decay=settings["weight_decay"])
    schedule = transformers.get_cosine_schedule_with_warmup(
        optimizer, source["schedule"]["warmup_steps"], source["schedule"]["total_steps"])
    log = []
    for step in range(source["steps"]):
        record = {"step": step + 1, "loss": 0.0, "reward_chosen": 0.0, "reward_rejected": 0.0,
                  "reward_accuracy": 0.0}
        for i in range(source["grad_accum"]):
            batch = batches[(step * source["grad_accum"] + i) % len(batches)]
            policy = log_probabilities(model, batch)
            with torch.no_grad():
                if spec.get("reference_free"):
                    reference = torch.zeros_like(policy)
                elif full:
                    reference = log_probabilities(frozen, batch)
                else:
                    with model.disable_adapter():
                        reference = log_probabilities(model, batch)
            lengths = batch["completion_mask"].sum(1)
            loss = pair_losses(spec, policy, reference, lengths).mean() / source["grad_accum"]
            loss.backward()
            chosen, rejected = (spec["beta"] * (policy - reference).detach()).chunk(2)
            share = 1 / source["grad_accum"]
            record["loss"] += float(loss.detach())
            record["reward_chosen"] += float(chosen.mean()) * share
            record["reward_rejected"] += float(rejected.mean()) * share
            record["reward_accuracy"] += float((chosen > rejected).float().mean()) * share
        norm = torch.nn.utils.clip_grad_norm_(list(trained.values()), source["max_grad_norm"],
                                              foreach=False)
        record.update(grad_norm=float(norm), lr=optimizer.param_groups[0]["lr"])
        assert math.isfinite(record["loss"])
        log.append(record)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return source, trained, log, full


def main():
    runs = sys.argv[1]
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    for name, spec in RUNS.items():
        source, trained, log, full = train(runs, spec)
        folder = os.path.join(runs, name)
        os.makedirs(folder, exist_ok=True)
        for key in ("noise_floor", "probe_step", "loss_norm"):
            source.pop(key, None)
        source.update(spec, name=name, data=SOURCE, steps_log=log,
                      versions={"torch": torch.__version__, "peft": peft.__version__,
                                "transformers": transformers.__version__})
        with open(os.path.join(folder, "run.json"), "w", encoding="utf-8") as file:
            json.dump(source, file, indent=1)
            file.write("\n")
        if not full:
            save_file({key: value.detach().clone().contiguous() for key, value in trained.items()},
                      os.path.join(folder, "trainable_final.safetensors"))
        print(name, log[0]["loss"], "->", log[-1]["loss"])


if __name__ == "__main__":
    main()
