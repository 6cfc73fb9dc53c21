"""Makes the tiny models of each family, their logits, their LoRA runs and their GGUF twins.

    python make_families.py [NAME ...]

writes models/NAME (weights are stored in bf16; everything is computed in fp32), runs/NAME_lora_all
beside it and gguf/NAME.gguf. Needs torch, transformers, peft, safetensors and gguf; versions are
written into run.json. The form of runs and the loss are those of ../runs/README.md.
"""
import importlib.metadata
import json
import os
import pathlib
import shutil
import sys

import gguf
import numpy as np
import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent
LENGTH = 24
IGNORED = -100

SHARED = dict(vocab_size=128, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
              num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
              initializer_range=0.12, pad_token_id=0, bos_token_id=1, eos_token_id=2)
LONG_FACTORS = dict(short_factor=[1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
                    long_factor=[1.0, 1.5, 2.5, 4.0, 6.0, 9.0])
# name -> (model_type, settings, which of "run", "gguf", "shards", "short" are made)
MODELS = {
    "mistral_tiny": ("mistral", dict(sliding_window=8), {"run", "gguf"}),
    "qwen3_tiny": ("qwen3", dict(head_dim=32, tie_word_embeddings=True),
                   {"run", "gguf", "shards"}),
    "gemma2_tiny": ("gemma2", dict(head_dim=32, query_pre_attn_scalar=24, sliding_window=7,
                                   attn_logit_softcapping=3.0, final_logit_softcapping=4.0),
                    {"run", "gguf"}),
    "gemma3_tiny": ("gemma3_text",
                    dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=6,
                         num_hidden_layers=3,
                         layer_types=["sliding_attention", "sliding_attention", "full_attention"],
                         rope_parameters={
                             "full_attention": dict(rope_type="linear", factor=8.0,
                                                    rope_theta=1e6),
                             "sliding_attention": dict(rope_type="default", rope_theta=1e4)}),
                    {"run", "gguf"}),
    "phi3_tiny": ("phi3", dict(sliding_window=9, original_max_position_embeddings=12,
                               partial_rotary_factor=0.75,
                               rope_scaling=dict(type="longrope", **LONG_FACTORS)),
                  {"run", "gguf", "short"}),
    "smollm3_tiny": ("smollm3", dict(num_hidden_layers=4,
                                     rope_parameters=dict(
                                         rope_type="yarn", rope_theta=2e6, factor=4.0,
                                         original_max_position_embeddings=16)),
                     {"run", "gguf"}),
    "llama_bias_tiny": ("llama", dict(attention_bias=True, mlp_bias=True,
                                      num_hidden_layers=1), {"gguf"}),
    "llama_dynamic_tiny": ("llama", dict(num_hidden_layers=1, max_position_embeddings=16,
                                         rope_scaling=dict(type="dynamic", factor=2.0)), set()),
    "qwen2_window_tiny": ("qwen2", dict(use_sliding_window=True, sliding_window=5,
                                        max_window_layers=1), set()),
    # Its name is the last one: seeds go by the order of names.
    "stretched_tiny": ("llama", dict(num_hidden_layers=1, num_key_value_heads=1,
                                     max_position_embeddings=128,
                                     rope_parameters=dict(
                                         rope_type="llama3", rope_theta=5e5, factor=8.0,
                                         low_freq_factor=1.0, high_freq_factor=4.0,
                                         original_max_position_embeddings=64)), {"gguf"}),
}


def make_model(name):
    """A random model, written in bf16."""
    kind, settings, makes = MODELS[name]
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(sorted(MODELS).index(name) + 11)
    config = transformers.AutoConfig.for_model(kind, **{**SHARED, **settings})
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "norm" in key:
                value += 0.2 * torch.randn_like(value)
            elif key.endswith("bias"):
                value += 0.2 * torch.randn_like(value)
    size = "60KB" if "shards" in makes else "5GB"
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size=size)
    return folder


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager")


def logits_of(folder, rows):
    """Each row alone and by a fresh model: some ropes remember the longest row so far."""
    out = []
    for row in rows:
        model = load(folder).eval()
        with torch.no_grad():
            out.append(model(input_ids=row[None], use_cache=False).logits[0])
    return out


def write_logits(folder, path, lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths)
    vocabulary = SHARED["vocab_size"]
    ids = torch.randint(3, vocabulary, (len(lengths), width), generator=generator)
    mask = torch.zeros_like(ids)
    logits = torch.zeros(len(lengths), width, vocabulary)
    rows = [ids[i, :length] for i, length in enumerate(lengths)]
    for i, row in enumerate(logits_of(folder, rows)):
        mask[i, :lengths[i]] = 1
        logits[i, :lengths[i]] = row
    save_file(dict(input_ids=ids, attention_mask=mask, logits=logits), path)


def make_batches(spec):
    generator = torch.Generator().manual_seed(spec["data_seed"])
    batches = []
    for _ in range(spec["distinct_microbatches"]):
        ids = torch.randint(3, SHARED["vocab_size"], (spec["batch_size"], LENGTH),
                            generator=generator)
        mask = torch.ones_like(ids)
        labels = ids.clone()
        for row in range(spec["batch_size"]):
            # Row 0 is full, others are padded on the right; a part in front is not learned.
            cut = int(torch.randint(0, LENGTH // 3 + 1, (1,), generator=generator))
            length = LENGTH - (cut if row else 0)
            prompt = int(torch.randint(0, LENGTH // 2, (1,), generator=generator))
            mask[row, length:] = 0
            ids[row, length:] = 0
            labels[row, length:] = IGNORED
            labels[row, :prompt] = IGNORED
        batches.append(dict(input_ids=ids, attention_mask=mask, labels=labels))
    return batches


def train(model, spec, batches, parameters):
    """The steps of a run: loss per target token over all micro-batches of a step."""
    optimizer = torch.optim.AdamW(list(parameters.values()), lr=spec["optimizer"]["lr"],
                                  betas=tuple(spec["optimizer"]["betas"]),
                                  eps=spec["optimizer"]["eps"],
                                  weight_decay=spec["optimizer"]["weight_decay"], foreach=False)
    schedule = transformers.get_cosine_schedule_with_warmup(
        optimizer, spec["schedule"]["warmup_steps"], spec["schedule"]["total_steps"])
    log = []
    for step in range(spec["steps"]):
        first = step * spec["grad_accum"]
        micro = [batches[(first + i) % len(batches)] for i in range(spec["grad_accum"])]
        targets = sum(int((b["labels"][:, 1:] != IGNORED).sum()) for b in micro)
        total = 0.0
        for batch in micro:
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                           use_cache=False).logits[:, :-1]
            loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]),
                                   batch["labels"][:, 1:].reshape(-1), ignore_index=IGNORED,
                                   reduction="sum") / targets
            loss.backward()
            total += float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), spec["max_grad_norm"],
                                              foreach=False)
        log.append(dict(step=step + 1, loss=total, grad_norm=float(norm),
                        lr=optimizer.param_groups[0]["lr"], num_tokens=targets))
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return log


def copies(parameters):
    return {name: value.detach().clone().contiguous() for name, value in parameters.items()}


def make_run(name):
    out = GOLDEN / "runs" / (name.removesuffix("_tiny") + "_lora_all")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    spec = dict(name=out.name, model="models/" + name, task="sft",
                method=dict(type="lora", r=4, lora_alpha=8, target_modules="all-linear"),
                optimizer=dict(type="adamw_torch", lr=0.005, betas=[0.9, 0.999], eps=1e-8,
                               weight_decay=0.01),
                schedule=dict(type="cosine", warmup_steps=4, total_steps=20), steps=20,
                grad_accum=2, max_grad_norm=1.0, batch_size=2, seq_len=LENGTH, data_seed=102,
                init_seed=202, distinct_microbatches=4)
    base = load(HERE / name)
    torch.manual_seed(spec["init_seed"])
    method = spec["method"]
    model = get_peft_model(base, LoraConfig(
        r=method["r"], lora_alpha=method["lora_alpha"], lora_dropout=0.0,
        target_modules=method["target_modules"], task_type="CAUSAL_LM"))
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    model.save_pretrained(out / "initial_adapter")
    (out / "initial_adapter/README.md").unlink(missing_ok=True)
    save_file(copies(parameters), out / "trainable_initial.safetensors")
    batches = make_batches(spec)
    save_file({f"{i}.{key}": value.to(torch.int32).contiguous()
               for i, batch in enumerate(batches) for key, value in batch.items()},
              out / "batches.safetensors")
    model.train()
    spec["steps_log"] = train(model, spec, batches, parameters)
    save_file(copies(parameters), out / "trainable_final.safetensors")
    spec["versions"] = {package: importlib.metadata.version(package)
                        for package in ("torch", "transformers", "peft", "safetensors", "gguf")}
    (out / "run.json").write_text(json.dumps(spec, indent=1, allow_nan=False) + "\n")
    config = out / "initial_adapter/adapter_config.json"
    adapter = json.loads(config.read_text())
    adapter["base_model_name_or_path"] = name
    config.write_text(json.dumps(adapter, indent=2, sort_keys=True) + "\n")
    first, last = spec["steps_log"][0], spec["steps_log"][-1]
    print(f"{out.name}: loss {first['loss']:.4f} -> {last['loss']:.4f}")


ARCHITECTURES = dict(llama=gguf.MODEL_ARCH.LLAMA, mistral=gguf.MODEL_ARCH.LLAMA,
                     qwen3=gguf.MODEL_ARCH.QWEN3, gemma2=gguf.MODEL_ARCH.GEMMA2,
                     gemma3_text=gguf.MODEL_ARCH.GEMMA3, phi3=gguf.MODEL_ARCH.PHI3,
                     smollm3=gguf.MODEL_ARCH.SMOLLM3)
INTERLEAVED = {"llama", "mistral", "smollm3"}


def write_metadata(writer, name, config):
    kind, settings, _ = MODELS[name]
    head_dim = getattr(config, "head_dim", None) or 64 // 4
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    rope = config.rope_parameters
    if kind == "gemma3_text":
        writer.add_uint32("gemma3.attention.sliding_window_pattern", 3)
        writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["full_attention"]["factor"])
        return
    writer.add_rope_freq_base(rope["rope_theta"])
    if kind == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
        writer.add_attention_scale(config.query_pre_attn_scalar ** -0.5)
    if kind == "phi3":
        writer.add_rope_dimension_count(int(head_dim * 0.75))
        writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
        ratio = config.max_position_embeddings / config.original_max_position_embeddings
        original = np.log(config.original_max_position_embeddings)
        writer.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(ratio) / original)))
        for which in ("long", "short"):
            values = np.array(LONG_FACTORS[which + "_factor"], dtype=np.float32)
            writer.add_tensor(f"rope_factors_{which}.weight", values)
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(rope, head_dim))
    if kind == "smollm3":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


def llama3_divisors(rope, head_dim):
    """What each frequency is divided by, in fp32 as llama.cpp's converter has it."""
    frequencies = 1.0 / (rope["rope_theta"] ** (
        torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
    original, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = [original * float(f) / (2 * np.pi) for f in frequencies]  # within the old context
    shares = [min(1.0, max(0.0, (t - low) / (high - low))) for t in turns]
    return np.array([1 / ((1 - s) / factor + s) for s in shares], dtype=np.float32)


def interleave(value, heads):
    """From half-split rotary pairs to neighbours, as the converter of such models does."""
    rows = value.reshape(heads, 2, value.shape[0] // heads // 2, *value.shape[1:])
    return rows.swapaxes(1, 2).reshape(value.shape)


def make_gguf(name):
    kind = MODELS[name][0]
    model = load(HERE / name)
    config = model.config
    architecture = ARCHITECTURES[kind]
    (GOLDEN / "gguf").mkdir(exist_ok=True)
    path = GOLDEN / "gguf" / (name + ".gguf")
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    write_metadata(writer, name, config)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for key, value in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, suffix = key.rsplit(".", 1)
        mapped = names.get_name(stem)
        array = value.float().numpy()
        if kind.startswith("gemma") and "norm" in key:
            array = array + 1
        if kind in INTERLEAVED and ("q_proj" in key or "k_proj" in key):
            heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
            array = interleave(array, heads)
        if array.ndim == 1:
            writer.add_tensor(f"{mapped}.{suffix}", array.astype(np.float32))
        else:
            kind_of = gguf.GGMLQuantizationType.BF16
            writer.add_tensor(f"{mapped}.{suffix}", gguf.quants.quantize(array, kind_of),
                              raw_dtype=kind_of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    for name in sys.argv[1:] or MODELS:
        makes = MODELS[name][2]
        folder = make_model(name)
        write_logits(folder, folder / "logits.safetensors", [LENGTH, 17], 31)
        if "short" in makes:
            write_logits(folder, folder / "short.safetensors", [10], 32)
        if "run" in makes:
            make_run(name)
        if "gguf" in makes:
            make_gguf(name)
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{name}: {size // 1000} KB", flush=True)


if __name__ == "__main__":
    main()
