import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from fusion import FusionRegressor
from fusion.data.batch import ModelInputs
from fusion.members.ridge import RidgeMember
from fusion.training import TrainingSettings
from fusion.training.loop import NetworkTraining
from fusion.training.threads import computing_with, shared_out, threads_for, torch_with

N = 80


def in_new_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture(autouse=True)
def two_threads():
    """Torch, MKL and BLAS have two threads each, as on any machine of two cores."""
    before, (of_blas, *_) = torch.get_num_threads(), blas()
    torch.set_num_threads(2)
    in_new_thread(lambda: threadpool_limits(2, user_api="blas"))  # it is the process's number
    yield
    torch.set_num_threads(before)
    in_new_thread(lambda: threadpool_limits(of_blas, user_api="blas"))


def numbers():
    """Threads of torch, of the MKL inside it where it has one, and of each BLAS and OpenMP."""
    mkl = re.findall(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())
    pools = [pool["num_threads"] for pool in threadpool_info()]
    return torch.get_num_threads(), [int(number) for number in mkl], sorted(pools)


def blas():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_a_block_computes_with_one_thread_and_leaves_all_as_it_was():
    before = numbers()
    with computing_with(1):
        assert before[0] == 2
        torch_threads, mkl, pools = numbers()
        assert {torch_threads, *mkl, *pools} == {1}
        with computing_with(2):
            assert set(numbers()[2]) == {2}
        assert numbers() == (torch_threads, mkl, pools)
    assert numbers() == before
    with pytest.raises(ZeroDivisionError), computing_with(1):
        raise ZeroDivisionError
    assert numbers() == before


def test_another_thread_keeps_its_own_number_even_one_that_starts_meanwhile():
    def asked():
        torch.ones(10) @ torch.ones(10)
        return torch.get_num_threads()

    with computing_with(1), ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked).result() == 2
    assert in_new_thread(asked) == 2


def test_a_thread_that_computes_for_the_first_time_inside_a_block_computes_with_one():
    def asked():
        with computing_with(1):
            torch.rand(300, 300) @ torch.rand(300, 300)
            return torch.get_num_threads()

    assert in_new_thread(asked) == 1


def test_blocks_that_overlap_in_several_threads_restore_what_was_there():
    entered, leave = threading.Event(), threading.Event()
    before = numbers()

    def first():
        with computing_with(1):
            entered.set()
            assert leave.wait(60)

    def second():
        assert entered.wait(60)
        with computing_with(1):
            return blas()

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        assert entered.wait(60)
        leave.set()
        one.result()
        assert set(two.result()) == {1}
    assert numbers() == before


class WatchingMember(RidgeMember):
    """Notes with how many threads it is fitted."""

    seen: ClassVar[list] = []

    def fit(self, view, **arguments):
        self.seen.append(numbers())
        return super().fit(view, **arguments)


def fit(**settings):
    items = pd.DataFrame({"size": np.random.default_rng(0).normal(size=N)})
    model = FusionRegressor(
        columns={"numeric": ["size"]},
        members={"network": {}, "mine": WatchingMember()},
        head="regression",
        head_options={"regression": {"transform": "identity"}},  # no search, which two threads slow
        training={"epochs": 2, "batch_size": 16, "folds": 2, **settings},
        random_state=0,
    )
    return model.fit(items, items["size"].to_numpy() * 20 + 100)


@pytest.mark.parametrize(("chosen", "used"), [(None, 1), (2, 2)])
def test_members_take_one_thread_or_what_is_chosen(chosen, used):
    WatchingMember.seen.clear()
    before = numbers()
    fit(threads=chosen)
    assert len(WatchingMember.seen) == 1
    assert all({number, *mkl, *pools} == {used} for number, mkl, pools in WatchingMember.seen)
    assert numbers() == before


def test_a_network_is_the_same_with_one_thread_and_with_two():
    losses = [fit(threads=threads).histories_[0].validation_loss for threads in (1, 2)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_what_is_worth_threads_takes_all():
    ready = ModelInputs({"text": torch.ones(3, dtype=torch.bool)})
    live = ModelInputs(ready.present, values={"text": ["a"] * 3}, encoders={"text": None})
    assert (threads_for(None, ready), threads_for(None, live)) == (1, 2)
    assert (threads_for(3, ready), threads_for(3, live)) == (3, 3)
    assert (threads_for(None, ready, is_heavy=True), threads_for(1, ready, is_heavy=True)) == (2, 1)


def test_no_thread_at_all_is_refused():
    with pytest.raises(ValueError, match="threads"):
        TrainingSettings(threads=0)


@pytest.mark.parametrize(
    ("chosen", "n_networks", "expected"),
    [(None, 3, (2, 1)), (None, 1, (1, 1)), (1, 3, (1, 1)), (3, 1, (1, 3)), (5, 2, (2, 2))],
)
def test_threads_are_shared_out_to_networks(chosen, n_networks, expected, monkeypatch):
    ready = ModelInputs({"text": torch.ones(3, dtype=torch.bool)})
    live = ModelInputs(ready.present, values={"text": ["a"] * 3}, encoders={"text": None})
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert shared_out(chosen, ready, n_networks=n_networks) == expected
    assert shared_out(chosen, live, n_networks=n_networks) == (1, chosen or 2)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert shared_out(chosen, ready, n_networks=n_networks)[0] == 1


@pytest.mark.parametrize(("chosen", "n_seen"), [(None, 2), (1, 1)])
def test_networks_are_trained_in_python_threads_of_one_thread_each(chosen, n_seen, monkeypatch):
    seen, original = [], NetworkTraining._judged
    both = threading.Barrier(n_seen)

    def judged(training):
        both.wait(60)  # nothing goes on before as many are at work
        seen.append((threading.get_ident(), torch.get_num_threads()))
        return original(training)

    monkeypatch.setattr(NetworkTraining, "_judged", judged)
    before = numbers()
    fit(threads=chosen)
    assert len({thread for thread, _ in seen}) == n_seen
    assert {number for _, number in seen} == {1}
    assert numbers() == before


def test_blocks_of_torch_alone_run_in_several_threads_at_once():
    inside = threading.Barrier(2)

    def asked(n_threads):
        with torch_with(n_threads):
            inside.wait(60)
            return torch.get_num_threads()

    before = numbers()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(asked, (1, 3))) == [1, 3]
    assert numbers() == before
