"""BERT in int8: near float32, no text changes another, errors that say what to do."""

import copy
import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from encoders import BertEncoder, check_encoder
from encoders.adapter import Adapter
from encoders.text import int8
from encoders.text.tiny_bert import tiny_checkpoint

Cosines = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
TEXTS = [
    "a red summer dress for women",
    "crimson gown, women's fashion",
    "winter tyre for cars, 16 inch",
    "x",
    "Wooden rattle for babies from 6 months, painted by hand, no small parts, washable " * 4,
    "连衣裙 夏季 👗 فستان أحمر صيفي",
]


@pytest.fixture(params=["onnx", "openvino"], scope="module")
def backend(request: pytest.FixtureRequest) -> str:
    for package in (int8.RUNTIMES[request.param], *int8.EXPORTERS):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return str(request.param)


@pytest.fixture(scope="module", autouse=True)
def equal_weights_are_exported_once() -> Iterator[None]:
    """Copies, pickles and the other backend take seconds each to come to the same graph."""
    exported: dict[tuple[Any, ...], Any] = {}
    export = int8.export_graph

    def once(model: nn.Module) -> Any:
        state = model.state_dict().items()
        key = (str(model), *((name, tensor.cpu().numpy().tobytes()) for name, tensor in state))
        if key not in exported:
            exported[key] = export(model)
        return copy.deepcopy(exported[key])  # its layers are made int8 in place

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "export_graph", once)
        yield


@pytest.fixture(scope="module")
def encoder(backend: str) -> BertEncoder:
    return BertEncoder("minilm", backend=backend)


@pytest.fixture(scope="module")
def small(backend: str) -> BertEncoder:
    """Its graph is exported once for all tests that only read it."""
    return tiny(backend)


def tiny(backend: str) -> BertEncoder:
    return BertEncoder(str(tiny_checkpoint()), max_length=32, backend=backend)


def test_embeddings_of_a_tiny_encoder_are_near_those_of_float32(
    small: BertEncoder, cosines: Cosines
) -> None:
    exact = BertEncoder(str(tiny_checkpoint()), max_length=32, dtype="float32")
    assert cosines(small.encode(TEXTS), exact.encode(TEXTS)).min() > 0.98


@pytest.mark.slow
def test_embeddings_are_near_those_of_float32(
    encoder: BertEncoder, minilm: BertEncoder, cosines: Cosines
) -> None:
    near = cosines(encoder.encode(TEXTS), minilm.encode(TEXTS))
    assert near.mean() > 0.99
    assert near.min() > 0.98


@pytest.mark.slow
def test_a_text_does_not_depend_on_its_neighbours_or_padding(encoder: BertEncoder) -> None:
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    padded = encoder(encoder.preprocess(TEXTS)).numpy()
    assert np.abs(together - alone).max() <= 1e-5
    assert np.abs(together - padded).max() <= 1e-5


def test_every_law_is_kept(small: BertEncoder) -> None:
    check_encoder(small, ["red dress", "a long blue coat", "scarf", "连衣裙 👗 فستان"])


def test_a_used_encoder_can_be_copied_and_pickled(small: BertEncoder) -> None:
    expected = small.encode(TEXTS[:2])
    other = pickle.loads(pickle.dumps(copy.deepcopy(small)))
    assert np.array_equal(other.encode(TEXTS[:2]), expected)


def test_fingerprint_names_backend_and_its_version(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tiny(backend)
    before = encoder.fingerprint
    assert before != BertEncoder.tiny().fingerprint
    monkeypatch.setattr(int8.Int8Model, "version", "another")
    assert encoder.fingerprint != before


def test_fingerprint_of_minilm_in_torch_stays_what_it_is(minilm: BertEncoder) -> None:
    assert minilm.fingerprint == "cb202ec70482b718a2caecd689c0f1df41364091c351499c481ebd9bb2f012bc"


def test_configuration_without_a_backend_is_torch() -> None:
    encoder = BertEncoder.tiny()
    old = {name: value for name, value in encoder.config.items() if name != "backend"}
    assert BertEncoder(**old).config == encoder.config


def test_int8_is_frozen_and_float32(backend: str) -> None:
    encoder = tiny(backend)
    assert encoder.config["dtype"] == "float32"
    with pytest.raises(ValueError, match="adapter must be None with backend"):
        encoder.adapt(Adapter(layers=1))
    with pytest.raises(ValueError, match="adapter must be None with backend"):
        BertEncoder(str(tiny_checkpoint()), backend=backend, adapter={"layers": 1})
    with pytest.raises(ValueError, match="dtype must be float32 with backend"):
        BertEncoder(str(tiny_checkpoint()), backend=backend, dtype="bfloat16")


def test_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="backend must be one of torch, onnx, openvino"):
        BertEncoder(str(tiny_checkpoint()), backend="onxx")


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_missing_package_is_named_with_its_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(int8.RUNTIMES, name, "a_package_that_is_not_there")
    with pytest.raises(ImportError, match=rf'pip install "product-fusion\[{name}\]"'):
        BertEncoder(str(tiny_checkpoint()), backend=name)


@pytest.mark.slow
def test_openvino_sends_no_report_of_its_use(tmp_path: Path) -> None:
    pytest.importorskip("openvino_telemetry")
    code = "from encoders.text import int8; int8._runtime('openvino')"
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], env=home, check=True)
    assert not (tmp_path / "intel").exists()


def test_whole_numbers_give_back_the_weight() -> None:
    weight = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    weight[:, 1] = 0
    values, scales = int8.quantise_columns(weight)
    assert np.abs(values * scales - weight).max() <= scales.max() / 2 * 1.001
    assert not values[:, 1].any()


def test_products_of_two_neighbours_fit_into_16_bits() -> None:
    weight = np.random.default_rng(0).normal(size=(384, 50)).astype(np.float32)
    weight[10:12] = 9
    pairs = int8.quantise_columns(weight)[0].astype(int).reshape(-1, 2, 50)
    for signed in (np.maximum(pairs, 0), np.maximum(-pairs, 0)):
        assert signed.sum(axis=1).max() * 255 <= 32_767


def test_a_graph_without_linear_layers_is_refused() -> None:
    onnx = pytest.importorskip("onnx")
    empty = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    with pytest.raises(ValueError, match="must have linear layers"):
        int8.quantise_linear_layers(empty)
