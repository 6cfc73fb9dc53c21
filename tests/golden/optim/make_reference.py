"""Makes the reference runs of optimizers and learning-rate schedules beside this file.

    pip install torch==2.13.0 transformers==5.23.0 bitsandbytes==0.50.2 safetensors numpy
    python make_reference.py

Start values and gradients are formulas of exact fp32 numbers, so that only results are stored:
NAME.safetensors holds every parameter, flat, after steps 5 and 24; schedules.json a factor a step.
"""

import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
STEPS = 24
KEPT = (5, 24)
# 8-bit moments begin at 4096 elements; the second matrix does not end with a whole block of 256.
SHAPES = [(8, 512), (515, 8), (16, 8), (37,)]


def gradient(step, count):
    i = torch.arange(count, dtype=torch.int64)
    noise = ((i * 7919 + step * 104729) % 2003 - 1001).to(torch.float32) / 1024
    return noise * torch.pow(torch.tensor(2.0), -(3 * (i % 5)).to(torch.float32))


def start(count):
    i = torch.arange(count, dtype=torch.int64)
    return ((i * 31337) % 1999 - 999).to(torch.float32) / 4096


def learning_rate(step):
    return 1e-2 * (1 - step / 48)


def run(name, make):
    count = sum(torch.Size(shape).numel() for shape in SHAPES)
    parameters, offset = [], 0
    values = start(count)
    for shape in SHAPES:
        size = torch.Size(shape).numel()
        parameters.append(torch.nn.Parameter(values[offset : offset + size].view(shape).clone()))
        offset += size
    optimizer = make(parameters)
    kept = {}
    for step in range(STEPS):
        flat, offset = gradient(step, count), 0
        for parameter in parameters:
            size = parameter.numel()
            parameter.grad = flat[offset : offset + size].view(parameter.shape).clone()
            offset += size
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        if step + 1 in KEPT:
            kept[f"step{step + 1}"] = torch.cat([p.detach().flatten() for p in parameters])
    save_file(kept, HERE / f"{name}.safetensors")


def quantize_exactly(values, code, maxima, codes, blocksize):
    """The nearest value of the code, as on GPUs: on CPUs bitsandbytes looks it up in a coarse table,
    which loses everything below 1e-5 of a block's maximum."""
    flat = values.flatten()
    for i in range(maxima.numel()):
        block = flat[i * blocksize : (i + 1) * blocksize]
        maxima[i] = block.abs().max()
        scaled = torch.nan_to_num(block * (1 / maxima[i]))
        nearest = (scaled.unsqueeze(1) - code).abs().argmin(1).to(torch.uint8)
        codes.view(-1)[i * blocksize : (i + 1) * blocksize] = nearest


def optimizers():
    import bitsandbytes as bnb
    from bitsandbytes.backends.cpu import ops

    ops._quant_blockwise_fp32_direct = quantize_exactly
    betas, eps, decay = (0.9, 0.95), 1e-6, 0.1
    run("adamw", lambda p: torch.optim.AdamW(p, lr=1, betas=betas, eps=eps, weight_decay=decay))
    run("adamw_8bit",
        lambda p: bnb.optim.AdamW8bit(p, lr=1, betas=betas, eps=eps, weight_decay=decay))
    run("sgd", lambda p: torch.optim.SGD(p, lr=1, weight_decay=decay))
    run("lion", lambda p: bnb.optim.Lion32bit(p, lr=1, betas=betas, weight_decay=decay))
    run("adafactor", lambda p: transformers.optimization.Adafactor(
        p, lr=1, weight_decay=decay, scale_parameter=False, relative_step=False,
        warmup_init=False))
    maps = {
        "signed": bnb.functional.create_dynamic_map(signed=True),
        "unsigned": bnb.functional.create_dynamic_map(signed=False),
    }
    save_file(maps, HERE / "dynamic_maps.safetensors")


def schedules():
    o = transformers.optimization
    total = 40
    cases = []

    def case(make, **settings):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=settings.get("learningRate", 1.0))
        schedule = make(optimizer)
        rates = []
        for _ in range(total + 1):
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        cases.append({**settings, "total": total, "rates": rates})

    for warmup in (0, 7):
        case(lambda p, w=warmup: o.get_cosine_schedule_with_warmup(p, w, total),
             type="cosine", warmup=warmup)
        case(lambda p, w=warmup: o.get_cosine_schedule_with_warmup(p, w, total, num_cycles=1.75),
             type="cosine", warmup=warmup, cycles=1.75)
        case(lambda p, w=warmup: o.get_cosine_with_min_lr_schedule_with_warmup(
                 p, w, total, num_cycles=0.5, min_lr_rate=0.15),
             type="cosine", warmup=warmup, minimumRatio=0.15)
        case(lambda p, w=warmup: o.get_cosine_with_min_lr_schedule_with_warmup(
                 p, w, total, num_cycles=1.25, min_lr_rate=0.3),
             type="cosine", warmup=warmup, minimumRatio=0.3, cycles=1.25)
        case(lambda p, w=warmup: o.get_linear_schedule_with_warmup(p, w, total),
             type="linear", warmup=warmup)
        case(lambda p, w=warmup: o.get_constant_schedule_with_warmup(p, w),
             type="constant_with_warmup", warmup=warmup)
        case(lambda p, w=warmup: o.get_polynomial_decay_schedule_with_warmup(p, w, total),
             type="polynomial", warmup=warmup)
        # A minimum of ours is the reference's lr_end.
        case(lambda p, w=warmup: o.get_polynomial_decay_schedule_with_warmup(
                 p, w, total, lr_end=2e-4 * 0.2),
             type="polynomial", warmup=warmup, minimumRatio=0.2, learningRate=2e-4)
    case(lambda p: o.get_constant_schedule(p), type="constant", warmup=0)
    (HERE / "schedules.json").write_text(json.dumps(cases, indent=None) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    optimizers()
    schedules()
