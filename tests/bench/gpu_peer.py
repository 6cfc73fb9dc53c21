"""The steps of gpu_step.py by transformers and PEFT with scaled-dot-product or flash attention.

The same shape with random weights made on the GPU, rank 16 on every linear layer, bf16 base, one
AdamW step for each batch. Skipped, with the reason, where PEFT is not installed. Writes peer.json.
"""
import argparse
import json
import pathlib
import sys
import time

SHAPE = pathlib.Path(__file__).parent / "shapes" / "llama_3_8b"
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def build(attention: str, checkpointing: bool):
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model
    config = transformers.AutoConfig.from_pretrained(SHAPE)
    with torch.device("cuda:0"):
        model = transformers.AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation=attention)
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=MODULES))
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    return model.train()


def measure(attention: str, batch: int, checkpointing: bool, steps: int) -> dict:
    import torch
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model = build(attention, checkpointing)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    ids = torch.randint(0, 128256, (batch, 4096), device="cuda:0")
    seconds = []
    for step in range(steps + 2):
        begin = time.perf_counter()
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        if step >= 2:
            seconds.append(time.perf_counter() - begin)
    median = sorted(seconds)[len(seconds) // 2]
    return {"tokensPerSecond": batch * 4096 / median, "stepSeconds": seconds,
            "memoryBytes": torch.cuda.max_memory_allocated(), "loss": loss.item()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true", help="two steps a case")
    arguments = parser.parse_args()
    try:
        import peft
        import torch
        import transformers
    except ImportError as error:
        print(f"skipped: {error}; it takes torch, transformers and peft")
        return 0
    if not torch.cuda.is_available():
        print("skipped: torch finds no GPU here")
        return 0
    steps = 2 if arguments.quick else 5
    results = {"torch": torch.__version__, "transformers": transformers.__version__,
               "peft": peft.__version__, "cases": {}}
    for attention in ("sdpa", "flash_attention_2"):
        for batch, checkpointing in ((1, False), (2, False), (4, False), (4, True)):
            name = f"{attention}, {batch} x 4096" + (", checkpointing" if checkpointing else "")
            try:
                result = measure(attention, batch, checkpointing, steps)
            except torch.cuda.OutOfMemoryError:
                result = {"error": "out of memory"}
            except (ImportError, ValueError) as error:
                result = {"error": str(error).splitlines()[0]}
            results["cases"][name] = result
            print(name, json.dumps(result), flush=True)
    (arguments.out / "peer.json").write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
