"""Where the processor's time goes when texts are embedded: shares by step, on one thread."""

import time
from collections import defaultdict

import torch
from torch.profiler import ProfilerActivity, profile

from encoders.text.bert import BertEncoder

STEPS = {
    "matrix products": ("addmm", "mm", "linear", "mkldnn_linear"),
    "attention": ("bmm", "baddbmm", "softmax", "_softmax", "flash_attention"),
    "GELU": ("gelu", "mkldnn_gelu"),
    "layer norm": ("layer_norm", "native_layer_norm"),
    "copies": ("copy_", "to_mkldnn", "to_dense", "cat", "clone", "index", "pad", "fill_", "zero_"),
}
"""Step -> operations of torch; what is named nowhere is in `other operations`."""


def step_shares(encoder: BertEncoder, texts: list[str]) -> dict[str, float]:
    """Share of the processor's time of each step; 1 together.

    Why on one thread: with more, what waits counts as work.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        encoder.encode(texts)
        start = time.process_time()
        encoder.encode(texts)
        whole = time.process_time() - start
        start = time.process_time()
        encoder.read(texts)
        tokenising = time.process_time() - start
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            encoder.encode(texts)
    finally:
        torch.set_num_threads(before)
    step_of = {operation: step for step, names in STEPS.items() for operation in names}
    seconds: dict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        name = event.key.removeprefix("aten::").removeprefix("_scaled_dot_product_")
        operation = "flash_attention" if name.startswith("flash_attention") else name
        step = step_of.get(operation, "other operations")
        seconds[step] += event.self_cpu_time_total / 1e6
    seconds["tokenising"] = tokenising
    seconds["Python between operations"] = max(0.0, whole - sum(seconds.values()))
    total = sum(seconds.values())
    return {step: one / total for step, one in sorted(seconds.items(), key=lambda pair: -pair[1])}


def told(encoder: BertEncoder, texts: list[str]) -> str:
    """The shares in words, greatest first."""
    shares = step_shares(encoder, texts)
    return ", ".join(f"{step} {share:.1%}" for step, share in shares.items() if share >= 0.001)
