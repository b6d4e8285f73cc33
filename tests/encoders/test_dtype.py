"""Which precision is chosen: by what the processor has, and by nothing that varies."""

import multiprocessing
import os
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from encoders import BertEncoder, ColourTextureEncoder, ResNetEncoder
from encoders.adapter import Adapter
from encoders.dtype import (
    SWITCH,
    TwoPrecisions,
    in_precision,
    precision_of,
    processor_has_bfloat16,
    resolve_dtype,
)


@pytest.fixture
def asked_itself(monkeypatch):
    """The processor is asked, whatever the suite was told."""
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("asked_itself")
@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16", "avx512_vnni"])
def test_the_processor_is_asked_for_its_instructions(name, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: True})
    expected = "float32" if name == "avx512_vnni" else "bfloat16"
    assert resolve_dtype("auto") == expected


@pytest.mark.usefixtures("asked_itself")
@pytest.mark.parametrize("has", [True, False])
def test_a_gpu_is_asked_in_place_of_the_processor(has, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": not has})
    assert processor_has_bfloat16() == has


@pytest.mark.usefixtures("asked_itself")
def test_no_clock_is_read(monkeypatch):
    def read():
        raise AssertionError("the choice must not depend on time")

    for clock in ("perf_counter", "monotonic", "time", "process_time"):
        monkeypatch.setattr(time, clock, read)
    assert resolve_dtype("auto") in ("float32", "bfloat16")


def choose(pipe):
    pipe.send(resolve_dtype("auto"))


def burn():
    while True:
        pass


@pytest.mark.usefixtures("asked_itself")
def test_processes_choose_alike_idle_and_busy():
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    answers = []
    for n_busy in (0, 2 * (os.cpu_count() or 1)):
        busy = [context.Process(target=burn, daemon=True) for _ in range(n_busy)]
        choosing = [context.Process(target=choose, args=(theirs,)) for _ in range(3)]
        for process in busy + choosing:
            process.start()
        answers += [ours.recv() for _ in choosing]
        for process in busy:
            process.terminate()
        for process in busy + choosing:
            process.join()
    assert set(answers) == {resolve_dtype("auto")}


def test_the_switch_answers_for_child_processes_too(precision):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=choose, args=(theirs,))
    child.start()
    child.join()
    assert ours.recv() == resolve_dtype("auto") == precision
    assert os.environ[SWITCH] == {"float32": "no", "bfloat16": "yes"}[precision]


def test_a_switch_that_says_neither_is_refused(monkeypatch):
    monkeypatch.setenv(SWITCH, "maybe")
    with pytest.raises(ValueError, match="FUSION_BF16 must be yes or no, got 'maybe'"):
        processor_has_bfloat16()


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("build", [BertEncoder.tiny, ResNetEncoder.tiny])
def test_bfloat16_is_never_emulated_without_being_told_so(build, monkeypatch):
    options = build().config | {"dtype": "bfloat16"}
    kind = type(build())
    with pytest.raises(ValueError, match=r"got 'bfloat16': it has no bf16.*FUSION_BF16=yes"):
        kind(**options)
    monkeypatch.setenv(SWITCH, "yes")
    assert kind(**options).config["dtype"] == "bfloat16"


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("build", [BertEncoder.tiny, ResNetEncoder.tiny])
def test_an_encoder_knows_its_fingerprint_in_the_other_format(build):
    exact = build()
    rounded = in_precision(exact, "bfloat16")
    assert isinstance(exact, TwoPrecisions) and isinstance(rounded, TwoPrecisions)
    assert (precision_of(exact), precision_of(rounded)) == ("float32", "bfloat16")
    assert exact.fingerprint_in("bfloat16") == rounded.fingerprint != exact.fingerprint
    assert rounded.fingerprint_in("float32") == exact.fingerprint


@pytest.mark.usefixtures("bfloat16")
def test_weights_come_back_unrounded():
    exact = BertEncoder.tiny()
    again = in_precision(in_precision(exact, "bfloat16"), "float32")
    np.testing.assert_array_equal(again.encode(["a red coat"]), exact.encode(["a red coat"]))


@pytest.mark.usefixtures("bfloat16")
def test_weights_that_were_tuned_come_along(tmp_path):
    state = ResNetEncoder.tiny().network.state_dict()
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, tmp_path / "mine.safetensors")
    small = {"weights": tmp_path / "mine.safetensors", "preprocessing": {"resize": 36, "crop": 32}}
    tuned = ResNetEncoder(**small, adapter=Adapter(layers=1), dtype="bfloat16")
    with torch.no_grad():
        tuned.get_parameter(tuned.tuned_names[0]).add_(0.5)
    assert in_precision(tuned, "float32").fingerprint == tuned.fingerprint_in("float32")


def test_an_encoder_without_a_choice_stays_what_it_is():
    encoder = ColourTextureEncoder()
    assert precision_of(encoder) is None
    assert in_precision(encoder, "bfloat16").fingerprint == encoder.fingerprint
