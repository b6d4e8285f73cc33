"""Bundles that were made to do harm, their checksums fitting: a BundleError or a working model."""

import json
import os
import resource
import shutil

import pytest
import torch
from safetensors.torch import load, save

from encoders import ENCODERS
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import BundleError, FusionRegressor, load_bundle
from fusion.members import MEMBERS
from fusion.saved_parts import rebuild
from heads import HEADS, Column, RegressionHead

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux"),  # noqa: PTH110
]


def test_odd_values_in_the_description_do_no_harm(
    folder, complaint_about, odd_descriptions, short_of_memory
):
    complaints = short_of_memory(odd_descriptions(folder, complaint_about(), every=47))
    assert not complaints, "\n".join(complaints)


def test_odd_values_in_the_description_of_every_member_do_no_harm(
    every_member, complaint_about, odd_descriptions, short_of_memory
):
    complaints = short_of_memory(odd_descriptions(every_member, complaint_about(), every=61))
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize(
    "content", [b"", b"tree\n", b"\xff\xfe", b"tree\nversion=v4\n" * 1000, b"num_leaves=9999999999"]
)
def test_a_file_of_a_member_that_was_crafted_is_a_bundle_error(
    every_member, write_weights, content
):
    (name,) = (path.name for path in every_member.glob("trees.*.txt"))
    write_weights(every_member, content, name)
    with pytest.raises(BundleError, match="member trees"):
        load_bundle(every_member)


def test_weights_of_nobody_are_refused(every_member, write_weights):
    tensors = load((every_member / "weights.safetensors").read_bytes())
    write_weights(every_member, save({**tensors, "members.other.weights": torch.zeros(1)}))
    with pytest.raises(BundleError, match=r"weights must be those of the description, got memb"):
        load_bundle(every_member)


@pytest.mark.parametrize("member", MEMBERS)
def test_weights_of_a_member_that_lack_one_or_have_one_more_are_refused(
    every_member, write_weights, member
):
    tensors = load((every_member / "weights.safetensors").read_bytes())
    own = [name for name in tensors if name.startswith(f"members.{member}.")]
    less = {name: tensor for name, tensor in tensors.items() if name != own[-1]}
    more = {**tensors, f"members.{member}.left_over": torch.zeros(1)}
    for changed in (less, more):
        write_weights(every_member, save(changed))
        with pytest.raises(BundleError, match=f"member {member}"):
            load_bundle(every_member)


def network(document):
    return document["members"]["network"]["config"]


def kernel(document):
    return document["members"]["kernel"]["config"]["learned"]


def n_networks(document):
    network(document)["n_networks"] = 10**9


def depth(document):
    network(document)["strategy_options"]["depth"] = 10**9


def width(document):
    network(document)["strategy_options"]["width"] = 60_000


class ManySteps(RegressionHead):
    """A head with any number of steps, one column each."""

    def __init__(self, *, n_steps):
        super().__init__()
        self.target_shape = (n_steps,)

    target_shape = ()

    @property
    def columns(self):
        return tuple(Column(f"step_{i}", "mean", step=i + 1) for i in range(*self.target_shape))


def steps(document):
    document["heads"]["target"] |= {"name": "steps", "config": {"n_steps": 10**9}}


def bins(document):
    document["encoders"]["numeric"]["config"]["n_bins"] = 10**9


def points(document):
    kernel(document)["n_points"] = 10**9


def block(document):
    kernel(document)["blocks"][0][2] = 10**9


def words(document):
    document["encoders"]["text"]["config"]["n_words"] = 10**9


@pytest.mark.parametrize("ask", [n_networks, depth, width, steps, bins, points, block, words])
def test_a_description_cannot_ask_for_more_memory_than_its_weights_need(
    folder, write_crafted, monkeypatch, ask
):
    monkeypatch.setitem(HEADS, "steps", ManySteps)
    document = json.loads((folder / "bundle.json").read_text())
    ask(document)
    write_crafted(folder, document)
    before = peak_kb()
    with pytest.raises(BundleError):
        load_bundle(folder)
    assert peak_kb() - before < 200_000


def test_few_numbers_of_a_kernel_cannot_ask_for_gigabytes(every_member, write_weights):
    """Levels are written as their places, and asked side by side: one number a row and level."""
    n_points, n_levels = 200_000, 20_000
    document = json.loads((every_member / "bundle.json").read_text())
    learned = kernel(document)
    learned["n_points"] = n_points
    tensors = load((every_member / "weights.safetensors").read_bytes())
    for place, (_, kind, dim) in enumerate(learned["blocks"]):
        name = f"members.kernel.block.{place}"
        tensors[f"{name}.points"] = torch.zeros(n_points, dim)
        if kind == "category":
            learned["blocks"][place][2] = n_levels
            tensors[f"{name}.center"] = torch.full((n_levels,), 1 / n_levels, dtype=torch.float64)
            tensors[f"{name}.points"] = torch.zeros(n_points, dtype=torch.int64)
    tensors["members.kernel.head.0.alphas"] = torch.zeros(n_points, 1, dtype=torch.float64)
    (every_member / "bundle.json").write_text(json.dumps(document))
    write_weights(every_member, save(tensors))
    before = peak_kb()
    with pytest.raises(BundleError, match="points of levels must be"):
        load_bundle(every_member)
    assert peak_kb() - before < 400_000


@pytest.mark.parametrize("columns", [[], ["a", "b"], [1], "target", ["target", None]])
def test_a_head_has_as_many_target_columns_as_its_target_has_numbers(
    folder, write_crafted, columns
):
    document = json.loads((folder / "bundle.json").read_text())
    document["heads"]["target"]["target"] = columns
    write_crafted(folder, document)
    with pytest.raises(BundleError, match="target"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "decoder",
    [{"name": "linaer", "config": {}}, {"name": "linear", "config": {"width": 3}}, {}, None],
)
def test_a_decoder_that_cannot_be_built_is_a_bundle_error(folder, write_crafted, decoder):
    document = json.loads((folder / "bundle.json").read_text())
    network(document)["decoders"]["target"] = decoder
    write_crafted(folder, document)
    with pytest.raises(BundleError, match=r"decoder of target|member network"):
        load_bundle(folder)


def peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 10}',
        b'{"format": NaN}',
        b'{"format": 1e999}',
        b'{"format": ' + b"9" * 10_000 + b"}",
        b'{"format": 10, "members": {}, "files": []}',
    ],
    ids=lambda content: content[:12],
)
def test_any_other_document_is_a_bundle_error(folder, write_crafted, content):
    write_crafted(folder, content)
    with pytest.raises(BundleError):
        load_bundle(folder)


def odd_header(header, data=b""):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(content).to_bytes(8, "little") + content + data


def entry(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


WEIGHTS = {
    "empty": b"",
    "a length alone": (2**62).to_bytes(8, "little"),
    "no JSON": odd_header(b"}{"),
    "huge": odd_header({"a": entry([10**12], [0, 4 * 10**12])}),
    "overflowing": odd_header({"a": entry([2**40, 2**40], [0, 4])}, b"1234"),
    "overlapping": odd_header({"a": entry([1], [0, 4]), "b": entry([1], [2, 6])}, b"123456"),
    "outside": odd_header({"a": entry([1], [0, 40])}, b"1234"),
    "of an odd type": odd_header({"a": entry([1], [0, 4], "C128")}, b"1234"),
    "other names": save({"a": torch.zeros(2)}),
}


@pytest.mark.parametrize("content", WEIGHTS.values(), ids=WEIGHTS.keys())
@pytest.mark.parametrize("name", ["weights.safetensors", "reference.safetensors"])
def test_crafted_weights_are_a_bundle_error(folder, write_weights, name, content):
    write_weights(folder, content, name)
    with pytest.raises(BundleError):
        load_bundle(folder)


@pytest.mark.parametrize("change", ["shape", "nan", "inf"])
def test_weights_of_another_shape_or_without_a_number_are_refused(folder, write_weights, change):
    tensors = load((folder / "weights.safetensors").read_bytes())
    name = next(name for name, tensor in tensors.items() if tensor.dtype == torch.float32)
    changed = {
        "shape": torch.cat([tensors[name], tensors[name]]),
        "nan": torch.full_like(tensors[name], torch.nan),
        "inf": torch.full_like(tensors[name], torch.inf),
    }
    write_weights(folder, save({**tensors, name: changed[change]}))
    with pytest.raises(BundleError, match=r"must fit|must hold finite numbers"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors | {"levels": tensors["levels"][1:]},
        lambda tensors: tensors | {"levels": tensors["levels"][:, :0]},
        lambda tensors: tensors | {"levels": tensors["levels"].float()},
        lambda tensors: tensors | {"levels": tensors["levels"][:, 0]},
        lambda tensors: tensors | {"vectors.text": tensors["vectors.text"][1:]},
        lambda tensors: tensors | {"vectors.text": tensors["vectors.text"][:, 1:].contiguous()},
        lambda tensors: tensors | {"vectors.text": tensors["vectors.text"].double()},
        lambda tensors: tensors | {"vectors.photo": tensors["vectors.text"].clone()},
        lambda tensors: tensors | {"ids_ends": tensors["ids_ends"].flip(0).contiguous()},
        lambda tensors: tensors | {"ids_ends": tensors["ids_ends"] * 10**12},
        lambda tensors: tensors | {"titles_ends": tensors["titles_ends"][:0]},
        lambda tensors: tensors | {"targets": tensors["targets"][1:]},
        lambda tensors: tensors | {"targets": tensors["targets"].float()},
        lambda tensors: {name: found for name, found in tensors.items() if name != "targets"},
        lambda tensors: {name: found for name, found in tensors.items() if name != "has_target"},
        lambda tensors: tensors | {"has_target": tensors["has_target"][1:]},
        lambda tensors: tensors | {"has_target": tensors["has_target"].double()},
        lambda tensors: tensors | {"ids": tensors["ids"][1:].contiguous()},
        lambda tensors: tensors | {"ids": torch.full_like(tensors["ids"], 255)},
        lambda tensors: {"levels": tensors["levels"]},
    ],
)
def test_ids_and_content_of_training_items_must_fit_each_other(folder, write_weights, change):
    tensors = load((folder / "reference.safetensors").read_bytes())
    write_weights(folder, save(change(tensors)), "reference.safetensors")
    with pytest.raises(BundleError):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["bundle.json", "bundle.sha256", "weights.safetensors"])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "link", "endless", "longer"])
def test_only_regular_files_of_the_stated_size_are_read(folder, tmp_path, name, kind):
    path = folder / name
    path.rename(tmp_path / "kept")
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "kept")
    else:
        path.write_bytes((tmp_path / "kept").read_bytes() + b" ")
        os.truncate(path, 2**40 if kind == "endless" else path.stat().st_size)
    before = peak_kb()
    with pytest.raises(BundleError, match=f"{name}.*(cannot be read|changed)"):
        load_bundle(folder)
    assert peak_kb() - before < 200_000


def test_a_description_that_says_something_twice_is_refused(folder, write_crafted):
    content = (folder / "bundle.json").read_bytes()
    write_crafted(folder, content.replace(b"{", b'{"members": {},', 1))
    with pytest.raises(BundleError, match="must have each key once"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../kept", "/etc/passwd", "more.bin", "a/b"])
def test_a_description_names_no_other_files(folder, write_crafted, name):
    document = json.loads((folder / "bundle.json").read_text())
    document["files"][name] = document["files"]["weights.safetensors"]
    write_crafted(folder, document)
    with pytest.raises(BundleError, match=r"files\.names of bundle.json must match"):
        load_bundle(folder)


@pytest.mark.parametrize("where", ["config.json", "vocab.txt", "model.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_checkpoint_that_a_bundle_names_is_read_from_regular_files(tmp_path, where, kind):
    checkpoint = tmp_path / "bert"
    shutil.copytree(tiny_checkpoint(), checkpoint)
    (checkpoint / where).unlink()
    if kind == "pipe":
        os.mkfifo(checkpoint / where)
    else:
        (checkpoint / where).symlink_to("/dev/zero")
    entry = {"name": "bert", "config": {"checkpoint": str(checkpoint)}}
    with pytest.raises(BundleError, match=r"must be|must hold"):
        rebuild(ENCODERS, entry, what="encoder of text")


def test_a_checkpoint_cannot_lead_to_the_weights_of_another(tmp_path):
    checkpoint = tmp_path / "bert"
    shutil.copytree(tiny_checkpoint(), checkpoint)
    adapter = {"peft_type": "LORA", "base_model_name_or_path": str(tiny_checkpoint())}
    (checkpoint / "adapter_config.json").write_text(json.dumps(adapter))
    entry = {"name": "bert", "config": {"checkpoint": str(checkpoint)}}
    with pytest.raises(BundleError, match="adapter of another model"):
        rebuild(ENCODERS, entry, what="encoder of text")


@pytest.mark.parametrize("place", ["/dev/zero", "/dev", "{pipe}", "{huge}"])
def test_weights_that_a_bundle_names_are_a_regular_file_of_some_size(tmp_path, place):
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "huge.safetensors").touch()
    os.truncate(tmp_path / "huge.safetensors", 2**40)
    names = {name: str(tmp_path / f"{name}.safetensors") for name in ("pipe", "huge")}
    entry = {"name": "resnet", "config": {"weights": place.format(**names)}}
    with pytest.raises(BundleError, match="weights must be"):
        rebuild(ENCODERS, entry, what="encoder of image")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["regressor", "classifier", "bert", "resnet"])
def test_every_odd_value_in_every_place_does_no_harm(
    name, request, tmp_path, complaint_about, odd_descriptions, short_of_memory, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # "x" may be a model
    model = request.getfixturevalue(
        {"regressor": "small_model", "classifier": "small_classifier"}.get(name, f"{name}_model")
    )
    model.save(tmp_path / "bundle")
    cases = odd_descriptions(tmp_path / "bundle", complaint_about(type(model)), every=1)
    complaints = short_of_memory(cases)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def bert_model(some_items):
    settings = {"columns": {"text": ["title"]}, "encoders": {"text": str(tiny_checkpoint())}}
    return _fitted(some_items(60)[["title", "cost"]], settings)


@pytest.fixture
def resnet_model(some_items, tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    items = some_items(60)[["cost"]].assign(photo="red.png")
    settings = {"columns": {"image": ["photo"], "numeric": ["cost"]}, "photos": tmp_path}
    return _fitted(items, settings)


def _fitted(items, settings):
    small = {"width": 8, "depth": 1, "n_networks": 2, "projection_dim": 8}
    training = {"epochs": 1, "folds": 1}
    model = FusionRegressor(**settings, strategy_options=small, training=training, random_state=1)
    return model.fit(items, items["cost"].to_numpy() * 2)
