import math

import numpy as np
import pytest
import torch

from fusion.pretraining import PretrainingSettings
from fusion.pretraining.batches import Batches
from fusion.pretraining.masked_language import (
    NOT_GUESSED,
    MaskedLanguageObjective,
    hide_tokens,
)

MASK, ORDINARY = 4, torch.arange(5, 77)


def hidden(ids, *, share=0.15, seed=0):
    generator = torch.Generator().manual_seed(seed)
    options = {"share": share, "mask_token": MASK, "ordinary": ORDINARY}
    return hide_tokens(ids, **options, generator=generator)


def test_tokens_are_chosen_hidden_replaced_and_kept_in_the_stated_shares():
    ids = torch.full((400, 50), 40)
    changed, labels = hidden(ids)
    chosen = labels != NOT_GUESSED
    assert chosen.float().mean().item() == pytest.approx(0.15, abs=0.01)
    among = changed[chosen]
    assert (among == MASK).float().mean().item() == pytest.approx(0.8, abs=0.02)
    replaced = (among != MASK) & (among != 40)
    assert replaced.float().mean().item() == pytest.approx(0.1 * 71 / 72, abs=0.02)
    assert (labels[chosen] == 40).all() and (changed[~chosen] == 40).all()
    assert set(among[replaced].tolist()) <= set(ORDINARY.tolist())


def test_special_tokens_and_padding_are_never_guessed():
    ids = torch.tensor([[2, 40, 41, 3, 0, 0]]).repeat(300, 1)
    changed, labels = hidden(ids, share=0.9)
    assert (labels[:, [0, 3, 4, 5]] == NOT_GUESSED).all()
    assert (changed[:, [0, 3, 4, 5]] == ids[:, [0, 3, 4, 5]]).all()


def test_the_same_generator_hides_the_same_tokens():
    ids = torch.full((20, 20), 40)
    first, again, other = hidden(ids), hidden(ids), hidden(ids, seed=1)
    assert torch.equal(first[0], again[0]) and not torch.equal(first[1], other[1])


@pytest.fixture
def objective(tiny_encoders, rows_of):
    encoders = tiny_encoders("text")
    pairs = ["ab", "cd", "ef", "gh"]
    rows = rows_of(
        encoders, {"text": [pairs[i % 4] * 5 + pairs[i // 4 % 4] * 4 for i in range(16)]}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MaskedLanguageObjective(encoders, rows, PretrainingSettings(objective="mlm"))


def test_the_loss_is_the_cross_entropy_of_the_chosen_tokens(objective):
    objective.eval()
    batch = objective.batch(np.arange(8), torch.Generator().manual_seed(0))
    text = batch["text"]
    with torch.no_grad():
        model = objective.encoder("text").get_submodule("model")
        states = model(
            input_ids=text["input_ids"], attention_mask=text["attention_mask"]
        ).last_hidden_state
        scores = objective.head(states) @ objective.embedding.weight.T + objective.bias
        chances = scores.log_softmax(dim=-1)
    found = [
        -chances[row, place, text["labels"][row, place]].item()
        for row, place in torch.nonzero(text["labels"] != NOT_GUESSED).tolist()
    ]
    assert len(found) > 3
    assert objective(batch).item() == pytest.approx(np.mean(found), rel=1e-5)


def test_a_batch_without_a_chosen_token_has_no_loss(objective):
    batch = objective.batch(np.arange(2), torch.Generator().manual_seed(0))
    batch["text"]["labels"].fill_(NOT_GUESSED)
    loss = objective(batch)
    loss.backward()
    assert loss.item() == 0.0


def test_the_output_weights_are_the_token_embeddings(objective):
    assert objective.embedding.weight.requires_grad
    names = [name for name, _ in objective.named_parameters() if "encoders" not in name]
    assert names == ["bias", "head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"]


def test_guesses_become_much_better_than_uniform_ones(objective, fit):
    rows = np.arange(len(objective.rows))
    batches = Batches(objective, rows, batch_size=8, epochs=60, seed=0)
    losses = fit(objective, batches, learning_rate=5e-3)
    assert np.mean(losses[-20:]) < 0.5 * math.log(objective.embedding.num_embeddings)


def test_a_checkpoint_without_a_mask_token_is_refused(tiny_encoders, rows_of, monkeypatch):
    from fusion.pretraining import masked_language

    class Unmasked:
        mask_token_id = None

    monkeypatch.setattr(masked_language, "tokenizer_of", lambda encoder: Unmasked())
    encoders = tiny_encoders("text")
    with pytest.raises(ValueError, match="must have a mask token"):
        MaskedLanguageObjective(encoders, rows_of(encoders), PretrainingSettings(objective="mlm"))
