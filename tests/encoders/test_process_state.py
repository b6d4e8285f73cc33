"""Threads and forked children share one process: loading must leave it as it was, and be safe."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from encoders import BertEncoder, ResNetEncoder
from encoders.process_lock import ProcessLock
from encoders.process_state import OwnGenerators
from encoders.text.tiny_bert import tiny_checkpoint

TEXTS = ["a red dress", "x", None, "tyre 205 55 r16 on a steel rim " * 5]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
may_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def ends_well_in_a_child(work: Callable[[], object], *, seconds: int = 60) -> bool:
    """Runs `work` in a forked child; False where it raises or takes too long."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def drawn() -> list[torch.Tensor]:
    layers = [nn.Linear(3, 4).weight, nn.Embedding(5, 6).weight, nn.LSTM(3, 4).weight_hh_l0]
    out = [torch.rand(3), torch.randn(20), torch.randperm(9), torch.randint(0, 9, (4,))]
    out += [torch.rand_like(torch.zeros(3)), torch.empty(5).bernoulli_(0.3)]
    out += [nn.functional.dropout(torch.ones(30), 0.5), torch.multinomial(torch.ones(4), 2)]
    return [*(layer.detach() for layer in layers), *out]


def test_a_block_with_generators_of_its_own_draws_what_the_seed_would_give() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = drawn()
    with OwnGenerators(3):
        found = drawn()
    assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))


def test_a_block_with_generators_of_its_own_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    with OwnGenerators(3), OwnGenerators(4):
        drawn()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_that_is_given_is_used_in_such_a_block_too() -> None:
    expected = torch.rand(4, generator=torch.Generator().manual_seed(9))
    with OwnGenerators(3):
        assert torch.equal(torch.rand(4, generator=torch.Generator().manual_seed(9)), expected)


@pytest.mark.parametrize(
    "load",
    [BertEncoder.tiny, lambda: ResNetEncoder("resnet18", weights="clothing18")],
    ids=["bert", "resnet"],
)
def test_loading_draws_nothing_from_the_global_generator(load: Callable[[], Any]) -> None:
    before = torch.get_rng_state()
    load()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_thread_beside_a_load_sees_its_own_default_type(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    seen = set()
    original = transformers.AutoModel.from_pretrained

    def watched(*arguments: Any, **options: Any) -> Any:
        tie = transformers.BertModel.__init__

        def init(self: Any, *values: Any, **more: Any) -> None:
            thread = threading.Thread(target=lambda: seen.add(torch.zeros(1).dtype))
            thread.start()
            thread.join()
            tie(self, *values, **more)

        with monkeypatch.context() as patch:
            patch.setattr(transformers.BertModel, "__init__", init)
            return original(*arguments, **options)

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", watched)
    encoder = BertEncoder(str(tiny_checkpoint()), max_length=32)
    assert encoder.config["dtype"] == precision
    assert next(encoder.model.parameters()).dtype == getattr(torch, precision)
    assert seen == {torch.float32}


def test_eight_threads_load_what_one_loads(precision: str) -> None:
    def load(_: int = 0) -> Any:
        return BertEncoder(str(tiny_checkpoint()), max_length=32).encode(TEXTS)

    expected = load()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load, range(16)))
    assert all(np.array_equal(each, expected) for each in found)
    assert torch.get_default_dtype() == torch.float32


def test_threads_may_share_an_encoder_of_long_texts() -> None:
    encoder = BertEncoder(**BertEncoder.tiny().config | {"long_text": "chunks"})
    texts = [f"word{number} and more " * (number % 9 + 1) for number in range(100)]
    expected = encoder.encode(texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: encoder.encode(texts), range(8)))
    assert all(np.array_equal(each, expected) for each in found)


@forks
@may_fork
def test_a_forked_child_computes_although_the_parent_had_many_threads() -> None:
    encoder = BertEncoder.tiny()
    texts = [f"word{number} and more" for number in range(300)]
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = encoder.encode(texts)
        torch.rand(2000, 300) @ torch.rand(300, 2000)  # the threads exist now

        def answers() -> None:
            assert torch.get_num_threads() == 1
            torch.rand(2000, 300) @ torch.rand(300, 2000)
            assert np.abs(encoder.encode(texts) - expected).max() < 1e-5

        assert ends_well_in_a_child(answers)
    finally:
        torch.set_num_threads(n_threads)


@forks
@may_fork
def test_a_lock_that_a_thread_held_is_free_in_a_forked_child() -> None:
    lock, holds, leave = ProcessLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock.held():
            holds.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait()
    try:
        assert ends_well_in_a_child(lambda: lock.held().__enter__(), seconds=20)
    finally:
        leave.set()
        thread.join()


@forks
@may_fork
def test_a_fork_inside_a_locked_block_leaves_both_sides_able_to_go_on() -> None:
    lock = ProcessLock()
    with lock.held():

        def go_on() -> None:
            with lock.held():
                pass

        assert ends_well_in_a_child(go_on, seconds=20)
    with lock.held():
        pass


def test_one_thread_at_a_time_is_in_a_locked_block() -> None:
    lock, inside = ProcessLock(), []

    def work(_: int) -> int:
        with lock.held():
            inside.append(1)
            time.sleep(0.001)
            most = len(inside)
            inside.pop()
            return most

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(24))) == {1}
