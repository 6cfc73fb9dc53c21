#!/usr/bin/env python3
"""What bitsandbytes stores for some matrices: quantised.safetensors in this folder.

Needs bitsandbytes 0.50.2, torch and safetensors; runs on the CPU with one thread.
    make_reference.py

ROWSxCOLUMNS.input is a matrix (fp32). Case NAME has NAME.codes, NAME.dequantized (fp32) and, for 4 bit, NAME.absmax or
NAME.absmax_codes, NAME.nested_absmax, NAME.offset; for int8 NAME.absmax. NAME is TYPE_ROWSxCOLUMNS,
with _double where the scales are quantised as well. dynamic_map holds the 8-bit map.
"""

import pathlib

import bitsandbytes.functional as functional
import torch
from safetensors.torch import save_file

# Odd ones have a short last block; 129x193 has more scales than one nested block covers.
SHAPES = [(4, 64), (7, 33), (1, 5), (3, 21), (129, 193)]


def matrix(rows, columns, seed):
    """Normal values, a few large ones, and a block of zeros."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, columns, generator=generator)
    values *= torch.exp(torch.randn(rows, 1, generator=generator))
    flat = values.view(-1)
    flat[:: 97] *= 20
    if flat.numel() >= 192:
        flat[64:128] = 0
    return values


def four_bit(out, kind, shape, double):
    name = f"{kind}_{shape[0]}x{shape[1]}" + ("_double" if double else "")
    values = out[f"{shape[0]}x{shape[1]}.input"]
    codes, state = functional.quantize_4bit(values, quant_type=kind, compress_statistics=double)
    out[f"{name}.codes"] = codes.reshape(-1)
    out[f"{name}.dequantized"] = functional.dequantize_4bit(codes, state)
    if double:
        out[f"{name}.absmax_codes"] = state.absmax
        out[f"{name}.nested_absmax"] = state.state2.absmax
        out[f"{name}.offset"] = state.offset.reshape(1)
    else:
        out[f"{name}.absmax"] = state.absmax


def int8(out, shape):
    name = f"int8_{shape[0]}x{shape[1]}"
    values = out[f"{shape[0]}x{shape[1]}.input"]
    codes, scales, _ = functional.int8_vectorwise_quant(values.half())
    out[f"{name}.codes"] = codes
    out[f"{name}.absmax"] = scales
    out[f"{name}.dequantized"] = codes.float() * (scales / 127.0)[:, None]


def main():
    torch.set_num_threads(1)
    out = {"dynamic_map": functional.create_dynamic_map()}
    for seed, shape in enumerate(SHAPES):
        out[f"{shape[0]}x{shape[1]}.input"] = matrix(*shape, seed)
        four_bit(out, "nf4", shape, True)
        if shape == SHAPES[-1]:
            continue  # One large case is enough.
        four_bit(out, "nf4", shape, False)
        four_bit(out, "fp4", shape, False)
        four_bit(out, "fp4", shape, True)
        int8(out, shape)
    out = {name: tensor.contiguous() for name, tensor in out.items()}
    save_file(out, pathlib.Path(__file__).parent / "quantised.safetensors")


if __name__ == "__main__":
    main()
