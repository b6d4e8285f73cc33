"""What the whole suite shares: one thread, and one switch for the processor's precision.

`FUSION_BF16=yes` or `FUSION_BF16=no` before pytest answers "has this processor bf16" for every
test, also in child processes. Tests that hold a promise in both take `precision`; tests that
compare numbers of one of them take `float32` or `bfloat16`.
"""

import gc
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for tiny tensors threads cost more than they give

from encoders.dtype import SWITCH, processor_has_bfloat16

HAS_BF16 = {"float32": "no", "bfloat16": "yes"}


def pytest_report_header() -> str:
    answer = "yes" if processor_has_bfloat16() else "no"
    return f"bf16: {answer} ({f'by {SWITCH}' if SWITCH in os.environ else 'the processor'})"


@pytest.fixture(scope="module", autouse=True)
def quick_garbage_collection():
    """What is loaded stays: transformers' Trainer walks through every object of the process."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # else libraries find leaks at the end


@pytest.fixture
def float32(monkeypatch):
    """The processor has no bf16: "auto" is float32."""
    monkeypatch.setenv(SWITCH, "no")


@pytest.fixture
def bfloat16(monkeypatch):
    """The processor has bf16, emulated where it has not: "auto" is bfloat16."""
    monkeypatch.setenv(SWITCH, "yes")


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request, monkeypatch):
    """Runs a test twice: "auto" is float32, then bfloat16, whatever the processor has."""
    monkeypatch.setenv(SWITCH, HAS_BF16[request.param])
    return request.param
