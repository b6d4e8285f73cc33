"""Networks: a fusion of all embeddings and a decoder for each head, trained by gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from encoders.base import Encoder
from encoders.process_state import OwnGenerators
from encoders.spelling import unknown_name
from fusion.choices.build import CLOSED_FORM_FUSION, build_fusion, own_encoder, suited_projection
from fusion.data.batch import chunks
from fusion.data.training_rows import TrainingRows
from fusion.members.base import Member, State
from fusion.members.view import Mask, Rows, View
from fusion.network import FusionNetwork, Raw, TrainedPart
from fusion.progress import Stage, silent
from fusion.saved_parts import name_and_config, rebuild
from fusion.strategies import FUSIONS
from fusion.training.fit import fit_networks
from fusion.training.loop import TrainingHistory
from fusion.training.settings import TrainingSettings
from heads.base import Head
from heads.decoders import DECODERS

CHUNK_ROWS = 4096
"""Rows that are answered at once."""
Entry = Mapping[str, Any]


class NetworkMember(Member):
    """Networks whose answers are averaged, each trained on all rows but a fold and stopped by it.

    Why: networks that were stopped on different rows err differently, and alone they learn from
    encoders that train with them. Source: Breiman (1996), bagging; Krogh and Vedelsby (1995),
    cross-validation ensembles.

    A row is answered out of fold by the one network that did not see it, a new row by all: a stack
    that is learned from the former trusts the networks a little less than their mean deserves.

    Args:
        strategy: Name in `FUSIONS` of what joins the embeddings.
        strategy_options: Its options; the rest follows from the number of rows.
        decoders: Head -> name in `DECODERS` of what answers it, where that is not the head's own;
            after `fit` what `name_and_config` says of each.
        training: `TrainingSettings`; `folds` is the number of networks where one fold is given.
        n_networks: Trained networks; set by `fit`.

    Raises:
        ValueError: If a name is unknown, or a setting out of its range.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"n_networks"})

    def __init__(
        self,
        *,
        strategy: str = "concat",
        strategy_options: Mapping[str, Any] | None = None,
        decoders: Mapping[str, str | Entry] | None = None,
        training: Mapping[str, Any] | None = None,
        n_networks: int = 0,
    ) -> None:
        if strategy not in FUSIONS:
            raise ValueError(unknown_name("strategy", strategy, FUSIONS))
        self.strategy = strategy
        self.strategy_options = dict(strategy_options or {})
        self.decoders: dict[str, str | Entry] = dict(decoders or {})
        self.training = TrainingSettings.model_validate(dict(training or {}))
        self.n_networks = n_networks
        self.networks: list[FusionNetwork] = []
        self._parts: list[TrainedPart] = []
        self.histories: list[TrainingHistory] = []
        """Losses by epoch of each network; none of networks that were loaded."""

    def fit(
        self,
        view: View,
        *,
        heads: Mapping[str, Head],
        training: TrainingRows,
        seed: int,
        stage: Stage = silent,
    ) -> Raw:
        """Trains one network a fold, or several of one fold; see `Member.fit`.

        Where all decoders are solved in closed form there is one network, solved on all rows, and
        its answers are not out of fold.
        """
        folds = training.folds
        alike = 1 if self.is_closed_form(heads) else self.training.folds
        own_folds = list(folds) if len(folds) > 1 else [folds[0]] * alike
        self.networks = [
            self.built(view.encoders, heads, n_rows=len(view), seed=(seed + place) % 2**31)
            for place in range(len(own_folds))
        ]
        self.histories = fit_networks(
            self.networks,
            view.inputs,
            replace(training, folds=own_folds),
            settings=self.training.model_copy(update={"seed": seed}),
            stage=stage,
        )
        self._remember(self.networks[0])
        return self._out_of_fold(view, folds)

    def built(
        self, encoders: Mapping[str, Encoder], heads: Mapping[str, Head], *, n_rows: int, seed: int
    ) -> FusionNetwork:
        """An untrained network with copies of the encoders that train.

        Args:
            encoders: By modality.
            heads: By name.
            n_rows: Number of rows that it will learn from.
            seed: Of its first weights.

        Raises:
            ConfigError: If an option of the strategy is unknown.
        """
        suited = {"projection_dim": suited_projection(n_rows)}
        closed = self.is_closed_form(heads)
        strategy = CLOSED_FORM_FUSION if closed else self.strategy
        with OwnGenerators(seed):
            own = {name: own_encoder(encoder) for name, encoder in encoders.items()}
            dims = {name: encoder.embedding_dim for name, encoder in own.items()}
            fusion = build_fusion(strategy, dims, self.strategy_options, suited=suited)
            decoders = {
                name: rebuild(
                    DECODERS,
                    self._decoder(name, head),
                    fusion.fused_dim,
                    head,
                    what=f"decoder of {name}",
                )
                for name, head in heads.items()
            }
            return FusionNetwork(own, fusion=fusion, heads=heads, decoders=decoders)

    @torch.inference_mode()
    def raw(self, view: View) -> Raw:
        """Raw outputs `[n, n_networks, *target_shape, raw_dim]` of every head."""
        current = [part.fusion for part in self._parts]
        if current != [network.fusion for network in self.networks]:  # made once: it takes longer
            self._parts = [network.trained_part() for network in self.networks]
        return _answers(self._parts, view)

    def knows(self, view: View) -> Mask:
        """Mask `[n]` of the rows that have any modality at all."""
        masks = [view.inputs.present[name].cpu().numpy() for name in view.encoders]
        known: Mask = np.any(masks, axis=0)
        return known

    @torch.inference_mode()
    def fuse(self, view: View) -> Tensor:
        """Fused vectors `[n, fused_dim]`: those of the networks side by side."""
        fused = []
        for rows in chunks(len(view), CHUNK_ROWS):
            batch = view.inputs.batch(rows)
            known, present = batch["embeddings"], batch["present"]
            each = [
                one.fuse({**known, **one.encode(batch["inputs"])}, present) for one in self.networks
            ]
            fused.append(torch.cat(each, dim=1).float())
        return torch.cat(fused)

    @property
    def config(self) -> dict[str, Any]:
        """Strategy, decoders and training; after `fit` with every option."""
        return {
            "strategy": self.strategy,
            "strategy_options": self.strategy_options,
            "decoders": dict(self.decoders),
            "training": self.training.model_dump(
                mode="json", exclude={"tensorboard"}, exclude_defaults=True
            ),
            "n_networks": self.n_networks,
        }

    def state(self) -> State:
        """Every trained weight, as `<network>.<name>`; encoders that do not train are not there."""
        return dict(self._tensors())

    def load_state(
        self, state: State, *, heads: Mapping[str, Head], encoders: Mapping[str, Encoder]
    ) -> None:
        """Builds the networks and takes back their weights.

        Raises:
            ValueError: If something is missing, left over or of another shape.
        """
        n_found = len({name.partition(".")[0] for name in state})
        if not 0 < self.n_networks <= n_found:
            raise ValueError(
                f"n_networks must be the number of networks whose weights are there, {n_found}, "
                f"got {self.n_networks}."
            )
        self.networks = [
            self.built(encoders, heads, n_rows=0, seed=0) for _ in range(self.n_networks)
        ]
        own = self._tensors()
        if own.keys() != state.keys():
            odd = sorted(own.keys() ^ state.keys())
            raise ValueError(f"missing or left over: {', '.join(odd[:5])} ({len(odd)})")
        for name, tensor in own.items():
            given = state[name]
            if not isinstance(given, Tensor) or given.shape != tensor.shape:
                raise ValueError(f"{name} must be of shape {list(tensor.shape)}, got another.")
            tensor.copy_(given)
        for network in self.networks:
            network.eval()

    @classmethod
    def tiny(cls) -> Self:
        """Two networks of two epochs."""
        return cls(training={"epochs": 2, "folds": 2})

    def _decoder(self, name: str, head: Head) -> Entry:
        """Name and configuration of the decoder of a head."""
        chosen = self.decoders.get(name, head.decoder)
        return {"name": chosen, "config": {}} if isinstance(chosen, str) else chosen

    def is_closed_form(self, heads: Mapping[str, Head]) -> bool:
        """True where every decoder is solved at once, without gradient steps."""
        names = [self._decoder(name, head)["name"] for name, head in heads.items()]
        return all(name in DECODERS and DECODERS[name].closed_form for name in names)

    def _remember(self, network: FusionNetwork) -> None:
        """Notes with which options the networks were built."""
        fusion = name_and_config(FUSIONS, network.fusion)
        self.strategy = fusion["name"]
        self.strategy_options = {k: v for k, v in fusion["config"].items() if k != "dims"}
        self.decoders = {
            name: name_and_config(DECODERS, network.decoder(name)) for name in network.heads
        }
        self.n_networks = len(self.networks)

    @torch.inference_mode()
    def _out_of_fold(self, view: View, folds: Sequence[Rows]) -> Raw:
        """Raw outputs of each head on each row of a fold, by the networks that stopped by it."""
        stopped = [self.networks] if len(folds) == 1 else [[one] for one in self.networks]
        found: Raw = {}
        for fold, networks in zip(folds, stopped, strict=True):
            for name, raw in _answers(
                [network.trained_part() for network in networks], view.take(fold)
            ).items():
                found.setdefault(name, raw.new_zeros(len(view), *raw.shape[1:]))[fold] = raw
        return found

    def _tensors(self) -> dict[str, Tensor]:
        """The trained tensors themselves, by `<network>.<name>`."""
        return {
            f"{place}.{key}": tensor
            for place, network in enumerate(self.networks)
            for key, tensor in network.trained_part().delta_state_dict().items()
            if not key.startswith(_shared(network))
        }


def _shared(network: FusionNetwork) -> tuple[str, ...]:
    """How the names of weights begin that a network has in common with the whole model."""
    return tuple(
        f"encoders.{name}." for name in network.modalities if not network.encoder(name).is_trainable
    )


def _answers(parts: Sequence[TrainedPart], view: View) -> Raw:
    """Raw outputs of networks side by side, chunk by chunk."""
    found: list[Raw] = []
    for rows in chunks(len(view), CHUNK_ROWS):
        batch = view.inputs.batch(rows)
        each = [part(**batch) for part in parts]
        found.append(
            {name: torch.cat([raw[name] for raw in each], dim=1).cpu() for name in each[0]}
        )
    return {name: torch.cat([raw[name] for raw in found]) for name in found[0]}
