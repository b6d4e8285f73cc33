"""From scores on the scales where effects add up to raw outputs of heads, spread included."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from encoders.process_state import OwnGenerators
from fusion.data.known import is_known
from fusion.data.training_rows import TrainingRows
from fusion.members.base import Floats, State
from fusion.members.view import Rows
from fusion.network import Raw
from heads.answer_maps import splits
from heads.base import Head
from heads.decoders.linear import LinearDecoder

Scores = Mapping[str, Floats]
LARGEST = 1e30
"""Scores beyond it say nothing more."""
MANY_ROWS = 20
"""Rows below which the few weights of an answer are drawn towards where they begin."""
STEEPEST = 5.0
"""Log-odds that one standard deviation of a score is expected to be worth at most."""


class ScoreAnswers:
    """Raw outputs of every head by a few weights on its scores.

    Why: a ridge, a kernel or trees give a point. What a head says besides (the dispersion of a
    count, the other quantiles, the log-odds of a class) is learned from the errors of these points
    on rows that they did not learn from.

    An answer of one raw output never runs against its one score: on few rows scores out of fold are
    low where the target is high, as the fold lacks these rows, and that would be learned. Log-odds
    are also held back where scores tell two classes apart without a fault, and nothing else says
    how sure that is. *Source:* Gelman et al. (2008), weakly informative priors; *differs:* normal.

    Args:
        heads: By name. Scores of a head are `[n, n_scores]`, on its `additive_scale`.

    Example:
        >>> from heads import RegressionHead
        >>> answers = ScoreAnswers({"price": RegressionHead()})
        >>> answers.raw({"price": np.zeros((5, 1))})["price"].shape
        torch.Size([5, 1, 1])
    """

    def __init__(self, heads: Mapping[str, Head]) -> None:
        self.decoders = {name: _untrained(head) for name, head in heads.items()}

    def fit(
        self,
        scores: Scores,
        *,
        heads: Mapping[str, Head],
        training: TrainingRows,
    ) -> Raw:
        """Learns from scores of rows that the member did not learn from; what these rows answer.

        Args:
            scores: `[n, n_scores]` of each head; rows of the folds alone count.
            heads: By name.
            training: Targets, folds and weights of the rows.

        Returns:
            `[n, 1, *target_shape, raw_dim]` of each head. Where a head has several scores, and so
            a weight for each pair of score and raw output, a fold is answered by weights that were
            found on the others.
        """
        targets, weight = training.targets, training.sample_weight
        fold_of = np.full(len(weight), -1)
        for place, fold in enumerate(training.folds):
            fold_of[fold] = place
        learned = {name: np.flatnonzero((fold_of >= 0) & is_known(targets[name])) for name in heads}
        for name, rows in learned.items():
            if len(rows):
                self._fit(name, heads[name], scores[name], targets[name], rows, weight)
        raw = self.raw(scores)
        for name, rows in learned.items():
            head = heads[name]
            if head.n_scores > 1 and len(rows):
                for known, asked in splits(fold_of[rows]):
                    other = ScoreAnswers({name: head})
                    given = (scores[name], targets[name], rows[known], weight)
                    other._fit(name, head, *given)
                    raw[name][rows[asked]] = other.raw({name: scores[name][rows[asked]]})[name]
        return raw

    @torch.no_grad()
    def raw(self, scores: Scores) -> Raw:
        """Raw outputs `[n, 1, *target_shape, raw_dim]` of each head from scores `[n, n_scores]`."""
        return {
            name: decoder(torch.from_numpy(_held(scores[name]))[:, None])
            for name, decoder in self.decoders.items()
        }

    def state(self) -> dict[str, Tensor]:
        """The weights, by names that hold no name of a head."""
        return {
            f"answers.{place}.{name}": tensor
            for place, decoder in enumerate(self.decoders.values())
            for name, tensor in decoder.state_dict().items()
        }

    def load_state(self, state: State) -> State:
        """Takes back what `state` gave, out of the state of a member.

        Returns:
            What is left of that state.

        Raises:
            ValueError: If a weight is missing or of another shape.
        """
        weights = self.state()
        for name, own in weights.items():
            given = state.get(name)
            if not isinstance(given, Tensor) or given.shape != own.shape:
                raise ValueError(f"{name} must be of shape {list(own.shape)}, got another.")
            own.copy_(given)
        return {name: value for name, value in state.items() if name not in weights}

    def _fit(
        self,
        name: str,
        head: Head,
        scores: Floats,
        target: Floats,
        rows: Rows,
        sample_weight: Floats,
    ) -> None:
        """Fits one decoder in place, by the loss of its head on some rows."""
        from scipy import optimize  # takes half a second to import

        decoder = self.decoders[name]
        inputs = torch.from_numpy(_held(scores[rows]))[:, None]
        encoded = torch.from_numpy(head.encode_target(target[rows]))
        weight = torch.from_numpy(sample_weight[rows]).float()
        parameters = list(decoder.parameters())
        begin = parameters_to_vector(parameters).detach().double().numpy().copy()
        few = len(rows) < MANY_ROWS or head.n_scores > 1
        pull = 0.5 / len(rows) if few else 0.0  # a normal prior of deviation 1
        is_single = len(begin) == 2  # a weight, and a bias
        brake = _brake(head, scores[rows], n_weights=len(begin))

        @torch.enable_grad()
        def loss_and_slope(vector: Floats) -> tuple[float, Floats]:
            vector_to_parameters(torch.from_numpy(vector).float(), parameters)
            loss = head.loss(decoder(inputs), encoded, weight)
            slopes = parameters_to_vector(torch.autograd.grad(loss, parameters)).double().numpy()
            away = vector - begin
            total = float(loss.detach()) + pull * float(away @ away) + float(brake @ vector**2)
            return total, slopes + 2.0 * (pull * away + brake * vector)

        found = optimize.minimize(
            loss_and_slope,
            begin,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None), (None, None)] if is_single else None,
            options={"maxiter": 60},
        ).x
        best = found if np.isfinite(found).all() else begin
        vector_to_parameters(torch.from_numpy(best).float(), parameters)
        for parameter in parameters:
            parameter.requires_grad_(True)


def _brake(head: Head, scores: Floats, *, n_weights: int) -> Floats:
    """What the square of each weight costs `[n_weights]`: that of a single log-odds alone."""
    cost = np.zeros(n_weights)
    if n_weights == 2 and head.task == "classification":
        cost[0] = 0.5 * (float(scores.std()) / STEEPEST) ** 2 / len(scores)
    return cost


def _held(scores: Floats) -> NDArray[np.float32]:
    """Scores in float32, those that it cannot hold at the bounds."""
    return np.asarray(scores).clip(-LARGEST, LARGEST).astype(np.float32)


def _untrained(head: Head) -> LinearDecoder:
    """Answers that begin at the head's best constant, or at the score itself where that is raw."""
    with OwnGenerators(0):
        decoder = LinearDecoder(head.n_scores, head)
    with torch.no_grad():
        decoder.linear.weight.zero_()
        if head.start is None:
            decoder.linear.bias.zero_()
        if head.raw_is_additive:
            decoder.linear.weight.copy_(torch.eye(head.n_scores))
    return decoder
