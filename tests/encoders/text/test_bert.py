"""BERT text embeddings: the real MiniLM, any local checkpoint, and texts of every kind."""

import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from encoders import BertEncoder
from encoders.adapter import Adapter
from encoders.text import bert, checkpoints, loading
from encoders.text.normalise import normalise_text

Cosines = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
TEXTS = [
    "a red summer dress for women",
    "crimson gown, women's fashion",
    "winter tyre for cars, 16 inch",
    "x",
    "Wooden rattle for babies from 6 months, painted by hand, no small parts, washable " * 4,
    "连衣裙 夏季 👗 فستان أحمر صيفي",
]


def test_like_products_are_nearer_than_unlike_ones(minilm: BertEncoder, cosines: Cosines) -> None:
    dress, gown, tyre = minilm.encode(TEXTS[:3])
    assert cosines(dress[None], gown[None])[0] > 0.5 > 0.2 > cosines(dress[None], tyre[None])[0]


def test_embeddings_are_those_of_the_published_model(minilm: BertEncoder, cosines: Cosines) -> None:
    # the example of the model's page: two sentences, cosine similarity of the normalised means
    embeddings = minilm.encode(["That is a happy person", "That is a very happy person"])
    assert cosines(embeddings[:1], embeddings[1:])[0] == pytest.approx(0.943, abs=2e-3)


def test_embedding_does_not_depend_on_neighbours_or_padding(minilm: BertEncoder) -> None:
    together = minilm.encode(TEXTS)
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])
    assert np.abs(together - alone).max() <= 1e-5


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_embeddings_are_near_those_of_float32(
    minilm: BertEncoder, cosines: Cosines
) -> None:
    half = BertEncoder("minilm", dtype="bfloat16")
    together = half.encode(TEXTS)
    assert cosines(together, minilm.encode(TEXTS)).min() >= 0.999
    assert cosines(together, np.concatenate([half.encode([t]) for t in TEXTS])).min() >= 0.9999
    assert half.fingerprint != minilm.fingerprint


def test_minilm_names_the_published_weights(minilm: BertEncoder) -> None:
    assert minilm.origin is not None
    assert minilm.origin["weights_sha256"] == checkpoints.MINILM_SHA256
    assert (minilm.embedding_dim, minilm.config["max_length"]) == (384, 256)


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(
    "option",
    [{"pooling": "cls"}, {"max_length": 16}, {"long_text": "chunks"}, {"dtype": "bfloat16"}],
)
def test_every_option_is_in_the_fingerprint(option: dict[str, object]) -> None:
    tiny = BertEncoder.tiny()
    assert BertEncoder(**tiny.config | option).fingerprint != tiny.fingerprint


def test_roberta_reads_two_tokens_fewer_than_it_has_positions() -> None:
    class Table:
        padding_idx = 1

    class Embeddings:
        position_embeddings = Table()

    class Config:
        max_position_embeddings = 514

    class Model:
        embeddings = Embeddings()
        config = Config()

    class Tokenizer:
        model_max_length = 10**30

    assert loading.longest_input(Tokenizer(), Model()) == 512


def test_white_space_and_composition_do_not_change_an_embedding() -> None:
    encoder = BertEncoder.tiny()
    one, other = encoder.encode(["café  au\tlait\n", "cafe\u0301 au lait"])
    assert np.array_equal(one, other)
    assert encoder.content("café  au\tlait\n") == "café au lait".encode()


@pytest.mark.parametrize("text", [None, "", "  \n\t "])
def test_empty_text_is_absent(text: str | None) -> None:
    encoder = BertEncoder.tiny()
    assert encoder.parts(text) == []
    assert not encoder.encode([text]).any()


@pytest.mark.parametrize(
    ("text", "message"), [("red\0dress", "NUL.*position 3"), ("a\ud800", "surrogate.*position 1")]
)
def test_broken_text_is_refused_with_its_position(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BertEncoder.tiny().encode(["fine", text])


def test_value_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="text must be a string or None, got float"):
        BertEncoder.tiny().encode([float("nan")])


@pytest.mark.parametrize(
    "text",
    ["red " * 2_500_000, "a" * 10_000_000, " " * 10_000_000 + "red", "a" + "\u0315\u0300" * 50_000],
)
@pytest.mark.parametrize("long_text", ["truncate", "chunks"])
def test_huge_text_takes_little_memory(text: str, long_text: str) -> None:
    encoder = BertEncoder(**BertEncoder.tiny().config | {"long_text": long_text})
    tracemalloc.start()
    embeddings = encoder.encode([text])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(embeddings).all()
    assert peak < 100e6


def test_normalising_in_pieces_equals_normalising_at_once() -> None:
    text = " ".join(f"cafe\u0301{number}\u00a0\n  x" for number in range(500))
    import unicodedata

    expected = " ".join(unicodedata.normalize("NFC", text).split())
    assert normalise_text(text, max_characters=10**6) == expected
    assert normalise_text(expected, max_characters=10**6) == expected


def test_truncation_reads_only_the_first_tokens() -> None:
    encoder = BertEncoder.tiny()
    head = "ab " * 15
    assert np.array_equal(encoder.encode([head + "zz"]), encoder.encode([head + "qq qq"]))


def test_chunks_cover_a_long_text_without_cutting_words() -> None:
    encoder = BertEncoder(**BertEncoder.tiny().config | {"long_text": "chunks"})
    text = " ".join(f"word{number}" for number in range(30))
    chunks = encoder.parts(text)
    assert " ".join(chunks) == text
    assert all(len(part.value) <= 32 for part in encoder.read(chunks))
    expected = encoder.encode_parts(chunks).mean(0)
    assert np.abs(encoder.encode([text])[0] - expected).max() < 1e-6


def test_chunks_are_capped() -> None:
    encoder = BertEncoder(**BertEncoder.tiny().config | {"long_text": "chunks"})
    assert len(encoder.parts("word " * 10_000)) == bert.MAX_CHUNKS


def test_padded_batches_are_alike_in_length_and_within_the_token_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(bert.PADDED_TOKENS, "cpu", 64)
    encoder = BertEncoder.tiny()
    encoder.adapt(Adapter(layers=1))  # what trains is computed with padding
    texts = ["a " * (1 + 7 * number % 25) for number in range(60)]
    tokens = [part.value for part in encoder.read(texts)]
    widths = [-(-len(numbers) // 8) * 8 for numbers in tokens]
    batches = list(encoder.batches(tokens))
    for batch in batches:
        assert len({widths[position] for position in batch}) == 1
        assert encoder.collate([tokens[i] for i in batch])["input_ids"].numel() <= 64


def test_a_text_has_the_same_bits_alone_and_among_others() -> None:
    encoder = BertEncoder.tiny()
    texts = ["a " * (1 + 7 * number % 25) for number in range(60)]
    together = encoder.encode(texts)
    for number in (0, 1, 17, 59):
        assert np.array_equal(encoder.encode([texts[number], "a short text"])[0], together[number])


def test_reading_warns_of_texts_whose_end_is_cut() -> None:
    read = BertEncoder.tiny().read(["a red dress", "a " * 500])
    assert [part.warnings for part in read] == [(), ("text_truncated",)]


def test_reading_keeps_a_fault_to_its_text() -> None:
    read = BertEncoder.tiny().read(["a", "nul \0", 7, "b"])
    assert [type(part.error) for part in read] == [type(None), ValueError, TypeError, type(None)]


def test_a_window_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = BertEncoder.tiny()
    seen: list[int] = []
    numbers = encoder._tokens.numbers

    def counted(texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        seen.append(len(texts))
        return numbers(texts)

    monkeypatch.setattr(encoder._tokens, "numbers", counted)
    encoder.encode(["red dress", "blue dress", "shoes"])
    assert seen == [3]


def test_frozen_encoder_has_nothing_to_train_and_stays_in_eval() -> None:
    encoder = BertEncoder.tiny().train()
    assert not encoder.is_trainable
    assert not any(module.training for module in encoder.modules())


def test_gradients_reach_the_adapted_layer_alone() -> None:
    encoder = BertEncoder.tiny()
    encoder.adapt(Adapter(layers=1))
    assert encoder.is_trainable
    encoder(encoder.preprocess(["red dress"])).square().sum().backward()
    reached = {name for name, weight in encoder.named_parameters() if weight.grad is not None}
    assert reached
    assert all(name.startswith("model.encoder.layer.1.") for name in reached)
    assert reached == {n for n, weight in encoder.named_parameters() if weight.requires_grad}


def test_only_layers_that_train_use_dropout() -> None:
    encoder = BertEncoder.tiny()
    encoder.adapt(Adapter(layers=1))
    encoder.train()
    training = {name for name, module in encoder.model.named_modules() if module.training}
    assert training
    assert all(name.startswith("encoder.layer.1") for name in training)
    assert not any(module.training for module in encoder.eval().modules())


def test_tuned_weights_travel_and_the_checkpoint_is_named() -> None:
    encoder = BertEncoder.tiny()
    frozen = encoder.fingerprint
    encoder.adapt(Adapter(layers=2))
    assert encoder.origin == BertEncoder.tiny().origin
    assert encoder.fingerprint != frozen


def test_bfloat16_with_an_adapter_is_refused() -> None:
    with pytest.raises(ValueError, match="dtype must be float32 with an adapter"):
        BertEncoder(**BertEncoder.tiny().config | {"dtype": "bfloat16", "adapter": {"layers": 1}})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"pooling": "median"}, "pooling must be one of mean, cls, max, .*, got 'median'"),
        ({"long_text": "cut"}, "long_text must be one of truncate, chunks, got 'cut'"),
        ({"max_length": 65}, "max_length must be from 3 to 64, got 65"),
        ({"dtype": "float16"}, "dtype must be one of auto, float32, bfloat16, got 'float16'"),
        ({"revision": "main"}, "revision must be None for a local checkpoint"),
    ],
)
def test_wrong_option_is_refused(option: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BertEncoder(**BertEncoder.tiny().config | option)


def test_cls_pooling_gives_the_first_token() -> None:
    encoder = BertEncoder(**BertEncoder.tiny().config | {"pooling": "cls"})
    tensors = encoder.preprocess(["red dress"])
    hidden = encoder.model(**tensors).last_hidden_state
    assert (encoder(tensors) - hidden[:, 0]).abs().max() < 1e-5


def test_auto_is_what_the_processor_has(precision: str) -> None:
    encoder = BertEncoder(**BertEncoder.tiny().config | {"dtype": "auto"})
    assert encoder.config["dtype"] == precision


@pytest.mark.usefixtures("bfloat16")
def test_auto_is_float32_where_the_encoder_must_be_exact() -> None:
    options = {"dtype": "auto", "adapter": {"layers": 1}}
    assert BertEncoder(**BertEncoder.tiny().config | options).config["dtype"] == "float32"
