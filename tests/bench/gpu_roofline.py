"""What a training step of the 8B shape must take on one GPU, counted from the code: products at a
rate that the card is known to reach, passes over memory at its bandwidth, launches. Computed, not
measured: a floor to hold measurements against, and the order in which passes are worth removing.

    python3 tests/bench/gpu_roofline.py [--documents 4] [--length 4096] [--rank 16]
"""
import argparse
import dataclasses
import json
import pathlib

SHAPE = pathlib.Path(__file__).parent / "shapes" / "llama_3_8b" / "config.json"
# Of one H200: a bf16 product of random values of 8192 x 8192 x 8192, and a copy, reads and writes
# counted. Attention: what FlashAttention-2 is said to reach on this generation with 128 values a
# head, causal; its deterministic backward pass is slower than the other.
PRODUCT_FLOPS = 790e12
BYTES_PER_SECOND = 4.3e12
ATTENTION_FLOPS = {"forward": 350e12, "backward": 260e12}
LAUNCH_SECONDS = 6e-6  # of the host, for one operation
MULTIPROCESSORS = 132
BF16 = 2


@dataclasses.dataclass
class Pass:
    name: str
    launches: int
    read: float  # bf16 values a token
    written: float


def splits(documents: int, heads: int) -> int:
    """Copies of the queries' gradient that the deterministic backward pass adds up."""
    return -(-MULTIPROCESSORS // (documents * heads))


def depth_of_split(depth: int, blocks: int) -> int:
    """What a block of the low-rank kernels sums over (worker/trainer/kernels/cuda/slab.h)."""
    each = -(-depth // max(1, 2 * MULTIPROCESSORS // blocks))
    return max(256, -(-each // 64) * 64)


def projection(name: str, columns: list[int], ranks: list[int], tokens: int) -> Pass:
    """Where sums are split, in fp32, these are written and read once more."""
    depth = depth_of_split(sum(columns), -(-tokens // 128))
    splits = [-(-count // depth) for count in columns]
    split = max(splits) > 1
    partial = split * sum(2 * count * rank for count, rank in zip(splits, ranks))
    return Pass(name, 1 + split, sum(columns) + partial, partial)


def gradient(name: str, columns: list[int], ranks: list[int], tokens: int) -> Pass:
    depth = depth_of_split(tokens, sum(-(-count // 128) for count in columns))
    sizes = sum(count * rank for count, rank in zip(columns, ranks))
    partial = 2 * -(-tokens // depth) * sizes / tokens
    return Pass(name, 2, sum(columns) + partial, partial)


def passes(c: dict, documents: int, tokens: int, rank: int) -> list[Pass]:
    h, inner = c["hidden_size"], c["intermediate_size"]
    head = h // c["num_attention_heads"]
    kv = c["num_key_value_heads"] * head
    qkv = h + 2 * kv
    turned = h + kv
    copies = splits(documents, c["num_attention_heads"])

    def low_rank(name: str, size_in: int, outs: list[int]) -> list[Pass]:
        return [projection(f"{name}: x A^T", [size_in], [rank * len(outs)], tokens),
                Pass(f"{name}: z B^T", len(outs), 0, sum(outs))]

    def gradients(name: str, size_in: int, outs: list[int], a_later: bool = False) -> list[Pass]:
        ranks = [rank] * len(outs)
        sums = [gradient(f"{name}: gradients", [*outs, size_in], [*ranks, sum(ranks)], tokens)]
        if a_later:  # The gate's backward pass gives the input.
            sums = [gradient(f"{name}: gradient of B", outs, ranks, tokens),
                    gradient(f"{name}: gradient of A", [size_in], [sum(ranks)], tokens)]
        return [projection(f"{name}: dy B", outs, ranks, tokens), *sums,
                Pass(f"{name}: dz A", 1, 0, size_in)]

    forward = [
        Pass("norm", 1, h, h), *low_rank("q, k, v", h, [h, kv, kv]),
        Pass("rope", 1, turned, turned), Pass("attention", 1, qkv, h), *low_rank("output", h, [h]),
        Pass("residual", 1, 2 * h, h), Pass("norm", 1, h, h),
        *low_rank("gate, up", h, [inner, inner]), Pass("gated", 1, 2 * inner, inner),
        *low_rank("down", inner, [h]), Pass("residual", 1, 2 * h, h)]
    backward = [
        *gradients("down", inner, [h], a_later=True),
        Pass("gated, backward", 1, 3 * inner, 3 * inner), Pass("norm again", 1, h, h),
        *gradients("gate, up", h, [inner, inner]), Pass("norm, backward", 1, 3 * h, h),
        *gradients("output", h, [h]),
        # fp32 sums of the queries' gradient, keys' and values' of every query head, then theirs.
        Pass("attention, backward", 7, 2 * h + qkv + 2 * copies * h + 2 * h + 2 * h,
             2 * copies * h + h + 2 * h + 2 * kv),
        Pass("q, k, v together", 1, qkv, qkv), Pass("rope, backward", 1, turned, turned),
        Pass("norm again", 1, h, h), *gradients("q, k, v", h, [h, kv, kv]),
        Pass("norm, backward", 1, 3 * h, h)]
    return forward + backward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=4)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--rank", type=int, default=16)
    arguments = parser.parse_args()
    c = json.loads(SHAPE.read_text())
    tokens = arguments.documents * arguments.length
    h, inner, layers = c["hidden_size"], c["intermediate_size"], c["num_hidden_layers"]
    kv = c["num_key_value_heads"] * (h // c["num_attention_heads"])
    weights = h * (h + 2 * kv) + h * h + 3 * h * inner
    low_rank = arguments.rank * (3 * h + h + 2 * kv + 2 * h + 2 * h + 2 * inner + inner + h)
    head = h * c["vocab_size"]
    pairs = arguments.length / 2 * h * 2  # scores, and what they weigh, a token
    listed = passes(c, arguments.documents, tokens, arguments.rank)
    passing = sum((p.read + p.written) * BF16 * tokens / BYTES_PER_SECOND for p in listed)
    layer = {
        "products with the base": 4 * weights * tokens / PRODUCT_FLOPS,
        "attention, forward": 2 * pairs * tokens / ATTENTION_FLOPS["forward"],
        "attention, backward": 5 * pairs * tokens / ATTENTION_FLOPS["backward"],
        "passes over memory": passing}
    whole = {name: seconds * layers for name, seconds in layer.items()}
    whole["head"] = 4 * head * tokens / PRODUCT_FLOPS
    # Logits: written, read, read again and written as their gradient, read.
    whole["cross-entropy"] = 5 * c["vocab_size"] * BF16 * tokens / BYTES_PER_SECOND
    # Gradient, parameter and two moments in fp32: read, all but the gradient written; copies.
    whole["norm, clipping and update"] = layers * low_rank * (4 * 10 + 2) / BYTES_PER_SECOND
    total = sum(whole.values())
    parameters = layers * weights + 2 * head
    print(f"{arguments.documents} x {arguments.length} tokens, rank {arguments.rank}, "
          f"{layers} layers\n\n| part | ms a step | share |\n|---|---|---|")
    for name, seconds in whole.items():
        print(f"| {name} | {1e3 * seconds:.1f} | {100 * seconds / total:.1f} % |")
    print(f"| **sum** | {1e3 * total:.0f} | |\n\n{tokens / total:,.0f} tokens/s, "
          f"{4 * parameters * tokens / total / 1e12:.0f} model TFLOP/s (4N)\n")
    slower = total + sum(whole[n] for n in ("products with the base", "head")) * (790 / 680 - 1)
    print(f"With products at 680 TFLOP/s: {tokens / slower:,.0f} tokens/s\n")
    launches = layers * (sum(p.launches for p in listed) + 8)
    print(f"{launches} operations queued, {1e3 * launches * LAUNCH_SECONDS:.0f} ms of the host\n")
    merged: dict[str, list[float]] = {}
    for p in listed:
        entry = merged.setdefault(p.name, [0, 0.0])
        entry[0] += p.launches
        entry[1] += (p.read + p.written) * BF16
    print("| pass | launches a layer | KB a token and layer | ms a step |\n|---|---|---|---|")
    for name, (count, size) in sorted(merged.items(), key=lambda item: -item[1][1])[:12]:
        print(f"| {name} | {count} | {size / 1e3:.1f} "
              f"| {1e3 * size * tokens * layers / BYTES_PER_SECOND:.1f} |")
    everything = sum(size for _, size in merged.values())
    print(f"| all | {sum(count for count, _ in merged.values())} | {everything / 1e3:.0f} "
          f"| {1e3 * passing * layers:.1f} |")
    # Of each layer: its input, q, k, v, what attention gives, the middle of the stream, gate and up.
    tape = layers * BF16 * (3 * h + (h + 2 * kv) + 2 * inner) * tokens
    # The widest moment: the gradients of gate and up, the gate's input and output, the stream.
    widest = BF16 * (3 * inner + 2 * inner + 3 * h) * tokens
    states = layers * low_rank * (4 * 4 + 2)
    held = parameters * BF16 + tape + widest + states
    print(f"\nMemory: weights {parameters * BF16 / 2**30:.1f} GiB, kept for the backward pass "
          f"{tape / 2**30:.1f}, its widest moment {widest / 2**30:.1f}, adapter and moments "
          f"{states / 2**30:.1f}: {held / 2**30:.1f} GiB")
    quantized = 2 * layers * weights * (0.5 + 1 / 64 + 2) / BYTES_PER_SECOND
    print(f"\nNF4: both passes dequantise each weight, {1e3 * quantized:.1f} ms a step "
          f"({100 * quantized / total:.1f} %)")


if __name__ == "__main__":
    main()
