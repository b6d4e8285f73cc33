"""Every family of checkpoints that is named loads, and the others are refused before weights."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CONFIG_MAPPING, MODEL_MAPPING

from encoders import BertEncoder
from encoders.text.families import FAMILIES, FLOAT32_ALONE

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # DeBERTa

TEXTS = ["a red dress", "x", "tyre 205 55 r16 on a steel rim", None]


def checkpoint(folder: Path, family: str) -> Path:
    """A random model of a family with two small layers, and a tokenizer of letters."""
    tiny = Path(BertEncoder.tiny().config["checkpoint"])
    for path in tiny.glob("*"):
        if path.name.startswith(("vocab", "tokenizer")):
            shutil.copy(path, folder)
    sizes: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64,
    }  # fmt: skip
    if family == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
    special = {f"{name}_token_id": place for place, name in enumerate(("pad", "unk", "cls", "sep"))}
    special |= {"bos_token_id": 2, "eos_token_id": 3}
    config = CONFIG_MAPPING[family](vocab_size=77, max_position_embeddings=66, **special, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        MODEL_MAPPING[type(config)](config).save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_family_loads_and_padding_changes_nothing(tmp_path: Path, family: str) -> None:
    if family not in CONFIG_MAPPING:
        pytest.skip(f"this version of transformers has no {family}")
    encoder = BertEncoder(str(checkpoint(tmp_path, family)), dtype="float32", max_length=24)
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.isfinite(together).all()
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[0] - together[2]).max() > 1e-3
    assert not together[3].any()


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("family", FAMILIES)
def test_family_computes_in_what_the_processor_suggests(tmp_path: Path, family: str) -> None:
    if family not in CONFIG_MAPPING:
        pytest.skip(f"this version of transformers has no {family}")
    encoder = BertEncoder(str(checkpoint(tmp_path, family)), max_length=24)
    assert encoder.config["dtype"] == ("float32" if family in FLOAT32_ALONE else "bfloat16")
    assert np.isfinite(encoder.encode(TEXTS)).all()


def test_family_that_cannot_be_rounded_is_not_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = str(checkpoint(tmp_path, "deberta"))
    with pytest.raises(ValueError, match="float32 with a checkpoint of the family deberta"):
        BertEncoder(folder, dtype="bfloat16")


def test_deberta_embeds_as_transformers_does(tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = checkpoint(tmp_path, "deberta-v2")
    encoder = BertEncoder(str(folder), dtype="float32")
    tensors = encoder.preprocess(["a red dress"])
    model = AutoModel.from_pretrained(str(folder)).eval()
    with torch.inference_mode():
        hidden = model(**tensors).last_hidden_state[0]
    mean = hidden[tensors["attention_mask"][0] == 1].mean(0)
    assert np.abs(encoder.encode(["a red dress"])[0] - mean.numpy()).max() < 1e-5


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "t5", "is_encoder_decoder": True}, "an encoder with a decoder"),
        ({"model_type": "gpt2"}, "another kind of model"),
        ({"model_type": "bert", "is_decoder": True}, "a decoder"),
        ({"model_type": "fnet"}, "another kind of model"),  # mixes padding into every token
    ],
)
def test_other_kinds_are_refused_by_their_config_alone(
    tmp_path: Path, config: dict[str, Any], kind: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"never read")
    with pytest.raises(ValueError, match=rf"of the family albert, bert, .*got .*, {kind}"):
        BertEncoder(str(tmp_path))


def test_config_without_a_model_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="must name its model_type"):
        BertEncoder(str(tmp_path))


def test_layers_that_share_their_weights_cannot_be_tuned(tmp_path: Path) -> None:
    encoder = BertEncoder(str(checkpoint(tmp_path, "albert")), dtype="float32")
    with pytest.raises(ValueError, match="weights of its own in each layer"):
        _ = encoder.blocks


def test_the_docs_list_the_families() -> None:
    page = Path(__file__).parents[3] / "docs" / "extending.md"
    listed = page.read_text(encoding="utf-8").replace("\n", " ")
    assert f": {', '.join(FAMILIES)}." in listed
