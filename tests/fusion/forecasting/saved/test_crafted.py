"""Forecasts that were made to do harm, their checksums fitting: a BundleError or one that works."""

import json
import os
import resource

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from fusion import BundleError
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.saved.folder import load_forecast, save_forecast
from heads.sales_path import SalesPathHead

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux"),  # noqa: PTH110
]

WEIGHTS = "weights.safetensors"
NESTED = [[1e308]]  # as the calibration is
HOSTILE = {
    "as large as can be": lambda most: most,
    "as large as is loaded": lambda most: min(most, 9e17),
    "negative and large": lambda most: -min(most, 9e17),
    "of huge squares": lambda most: most**0.6,
    "0": lambda most: 0.0,
    "no number": lambda most: float("nan"),
}
MEMBERS = [name for name in FORECAST_MEMBERS if name not in ("fracast", "chronos")]


@pytest.fixture
def folder(every_member, tmp_path):
    save_forecast(every_member[0], tmp_path / "forecast")
    return tmp_path / "forecast"


@pytest.fixture
def small(noted, tmp_path):
    save_forecast(noted("old"), tmp_path / "small")
    return tmp_path / "small"


def described(folder):
    return json.loads((folder / "forecast.json").read_text())


@pytest.fixture
def complaint_about(every_member):
    """What is wrong with what became of a forecast: nothing for a BundleError or answers."""
    examples = every_member[1].take(np.arange(0, len(every_member[1]), 29))

    def complaint(folder):
        try:
            model = load_forecast(folder).model
        except BundleError as error:
            return "a message without end" if len(str(error)) > 5000 else None
        with np.errstate(all="ignore"):
            sold = model.distribution(examples)
            answers = sold.mean, sold.quantile(model.head.levels)
        return None if all(map(_are_numbers, answers)) else "answers that are no numbers"

    return complaint


def _are_numbers(answers):
    return np.isfinite(answers).all() and (answers >= 0).all()


def test_odd_values_in_the_description_do_no_harm(
    folder, complaint_about, odd_descriptions, short_of_memory
):
    complaints = short_of_memory(
        odd_descriptions(folder, complaint_about, every=211, more=(NESTED,))
    )
    assert not complaints, "\n".join(complaints)


def test_odd_numbers_of_members_end_in_an_error_and_never_in_nan(
    folder, complaint_about, hostile_weights, short_of_memory
):
    complaints = short_of_memory(hostile_weights(folder, complaint_about, HOSTILE, every=29))
    assert not complaints, "\n".join(complaints)


def test_bytes_that_change_at_random_do_no_harm(small, complaint_about, write_crafted):
    draw, content = np.random.default_rng(0), (small / "forecast.json").read_bytes()
    for _ in range(40):
        changed = bytearray(content)
        for place in draw.integers(0, len(content), draw.integers(1, 4)):
            changed[place] = draw.integers(32, 127)
        write_crafted(small, bytes(changed))
        assert complaint_about(small) is None


def n_networks(document):
    document["members"]["network"]["config"]["n_networks"] = 1000
    document["members"]["network"]["config"]["settings"]["width"] = 4096


def horizon(document):
    document["head"]["horizon"] = 1000


def endless_horizon(document):
    document["head"]["horizon"] = 10**9


def stretch(document):
    document["calibration"]["stretch"] = [[[1.0]]] * 3


def columns(document):
    document["sales"]["past"] = ["x"] * 10**5


def lags(document):
    read = document["members"]["trees"]["config"]["features"]["lags"]["columns"]
    read["columns"] = "y" * 10**6


@pytest.mark.parametrize("ask", [n_networks, horizon, endless_horizon, stretch, columns, lags])
def test_a_description_cannot_ask_for_more_than_its_weights_are_for(folder, write_crafted, ask):
    document = described(folder)
    ask(document)
    write_crafted(folder, document)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError):
        load_forecast(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("frequency unit", "fortnight", r"frequency\.unit of forecast\.json must be 'day', 'week'"),
        ("frequency anchor", 7, r"frequency\.anchor of forecast\.json must be at most 6, got 7"),
        ("new_level", 0, r"new_level of forecast\.json must be above 0"),
        ("head horizon", 0, r"head\.horizon of forecast\.json must be at least 1, got 0"),
        ("head name", "sale_path", r"head must be one of .*Did you mean 'sales_path'"),
        ("head levels", [], r"head\.levels of forecast\.json must have at least 1"),
        ("launch", 3, r"launch of forecast\.json must be a text, got 3"),
        ("sales shop", 3, r"sales\.shop of forecast\.json must be a text, got 3"),
        ("sales more", 3, r"sales\.more of forecast\.json must not be there, got 3"),
        ("blend new classical", 1.5, r"blend\.new\.classical of .* must be at most 1\.0, got 1\.5"),
        ("blend new classical", 0.5, r"weights of path must be numbers >= 0 of sum 1"),
        ("blend old", {}, r"weights must be given for new, young, known"),
        ("blend new", {"other": 1.0}, r"members must be those that the blend asks, got none .*oth"),
        ("members classical name", "clasical", r"member classical must be one of.*classical"),
        ("members classical files", ["x.0.txt"], r"files of member classical must begin with its"),
        ("schema columns", {"numeric": []}, r"encoders must be those of"),
        ("calibration more", 3, r"calibration must be as it was saved"),
        ("format", 2, r"format must be 1, got 2\. .*saved this forecast: load it there"),
    ],
)
def test_what_does_not_fit_is_named(small, write_odd, place, value, message):
    write_odd(small, tuple(place.split(" ")), value)
    with pytest.raises(BundleError, match=message):
        load_forecast(small)


def test_a_forecast_that_was_saved_without_the_name_of_its_head_is_one_of_sales(
    small, write_crafted
):
    document = described(small)
    assert document["head"].pop("name") == "sales_path"
    write_crafted(small, document)
    assert type(load_forecast(small).model.head) is SalesPathHead


@pytest.mark.parametrize("name", MEMBERS)
def test_weights_of_a_member_that_lack_one_or_have_one_more_are_refused(
    folder, write_weights, name
):
    tensors = load((folder / WEIGHTS).read_bytes())
    own = [each for each in tensors if each.startswith(f"members.{name}.")]
    less = {each: tensor for each, tensor in tensors.items() if each != own[-1]}
    more = {**tensors, f"members.{name}.left_over": torch.zeros(1)}
    for changed in (less, more):
        write_weights(folder, save(changed))
        with pytest.raises(BundleError, match=f"member {name}"):
            load_forecast(folder)


def test_weights_of_nobody_are_refused(small, write_weights):
    tensors = load((small / WEIGHTS).read_bytes())
    write_weights(small, save({**tensors, "members.other.weights": torch.zeros(1)}))
    with pytest.raises(BundleError, match=r"weights must be those of the description, got memb"):
        load_forecast(small)


@pytest.mark.parametrize("content", [b"", b"tree\n", b"\xff\xfe", b"num_leaves=9999999999"])
def test_a_text_of_a_member_that_was_crafted_is_a_bundle_error(folder, write_weights, content):
    for path in folder.glob("*.txt"):
        kept = path.read_bytes()
        write_weights(folder, content, path.name)
        with pytest.raises(BundleError, match=f"member {path.name.split('.')[0]}"):
            load_forecast(folder)
        write_weights(folder, kept, path.name)
    load_forecast(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[" * 100_000, b'{"format": NaN}'])
def test_any_other_document_is_a_bundle_error(small, write_crafted, content):
    write_crafted(small, content)
    with pytest.raises(BundleError):
        load_forecast(small)


@pytest.mark.parametrize("kind", ["device", "pipe", "link", "endless"])
def test_only_regular_files_of_the_stated_size_are_read(small, tmp_path, kind):
    path = small / WEIGHTS
    path.rename(tmp_path / "kept")
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "kept")
    else:
        path.write_bytes((tmp_path / "kept").read_bytes())
        os.truncate(path, 2**40)
    with pytest.raises(BundleError, match=f"{WEIGHTS}.*(cannot be read|changed)"):
        load_forecast(small)


@pytest.mark.slow
def test_every_odd_value_in_every_place_does_no_harm(
    folder, complaint_about, odd_descriptions, hostile_weights, short_of_memory
):
    complaints = short_of_memory(odd_descriptions(folder, complaint_about, every=1, more=(NESTED,)))
    complaints += short_of_memory(hostile_weights(folder, complaint_about, HOSTILE, every=1))
    assert not complaints, "\n".join(complaints)
