"""Networks for sales over time: series encoders and content of items, trained by gradient."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.process_state import OwnGenerators
from encoders.series.steps import StepsEncoder
from encoders.series.windows import Windows
from encoders.spelling import unknown_name
from fusion.data.batch import chunks
from fusion.forecasting.examples import Examples
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.item_content import ItemBlock, ItemContent, readable_blocks
from fusion.forecasting.members.path_network import ContentVectors, PathNetwork
from fusion.forecasting.members.path_settings import PathSettings
from fusion.forecasting.members.path_training import (
    CHUNK_EXAMPLES,
    PathData,
    PathNetworkTraining,
    PathReader,
    path_data,
    with_masked,
)
from fusion.members.base import State
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from fusion.saved_parts import name_and_config, rebuild
from fusion.training.fit import run_at_once
from heads.decoders import DECODERS
from heads.sales_path import SalesPathHead

SERIES: Mapping[str, Mapping[str, Any]] = {"lag_features": {}}
"""Series encoders and their options, where no others are asked for."""
MOST_NETWORKS = 1_000
FURTHER_EPOCHS = 2
FURTHER_RATE = 0.2
"""Passes over the latest examples when a training goes on, and the share of the peak step size."""
FIT_EXAMPLES = 20_000
"""Examples that series encoders are fitted on, at most."""
Entry = Mapping[str, Any]


class NetworkPathMember(ForecastMember):
    """Networks whose answers are averaged: one model for items of no history, a little and a lot.

    Lag features, or encoders that read a series period by period, stand beside embeddings and
    categories of the item; then two layers, and a decoder of all steps. Random masking of history
    makes it serve items that are new, of which content alone is known. All networks learn from all
    examples.

    Source: Lakshminarayanan et al. (2017), deep ensembles, for the mean of networks.

    Args:
        series: Name in `ENCODERS` of each series encoder -> options of its `fitted`.
        decoder: Name in `DECODERS`, or `{"name": .., "config": {..}}`.
        settings: `PathSettings`.
        n_networks: Networks, each with a seed of its own, >= 1.
        learned: Set by `fit`: encoders, decoder and blocks of items, as they are rebuilt.

    Raises:
        ValueError: If a name is unknown, or a setting out of its range.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"learned"})
    reads_bounds: ClassVar[bool] = True

    def __init__(
        self,
        *,
        series: Mapping[str, Mapping[str, Any]] = SERIES,
        decoder: str | Entry = "linear",
        settings: Mapping[str, Any] | None = None,
        n_networks: int = 1,
        learned: Entry | None = None,
    ) -> None:
        self.series = {name: dict(options) for name, options in series.items()}
        self.decoder: Entry = (
            {"name": decoder, "config": {}} if isinstance(decoder, str) else dict(decoder)
        )
        self.settings = PathSettings.model_validate(dict(settings or {}))
        self.n_networks = n_networks
        self.learned = None if learned is None else dict(learned)
        self.networks: list[PathNetwork] = []
        self._encoders: Mapping[str, Encoder] = {}
        _check(self.series, str(self.decoder.get("name")), n_networks)

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Trains all networks side by side; see `ForecastMember.fit`."""
        blocks = readable_blocks(examples)
        encoders = self._fitted_encoders(examples.windows, seed)
        self.learned = {
            "encoders": {name: name_and_config(ENCODERS, one) for name, one in encoders.items()},
            "decoder": self._decoder_entry(encoders),
            "blocks": [block.config for block in blocks],
        }
        data = self._data(examples, training, head=head, encoders=encoders, seed=seed)
        dropout = self.settings.schedule(data.n_drawn).dropout
        self._build(head, encoders, dropout=dropout, seed=seed)
        self._train(data, self.settings, seed=seed, stage=stage)

    def trained_further(
        self,
        examples: Examples,
        *,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> Self:
        """Networks that go on from these weights, by the same encoders; see `TrainsFurther`."""
        data = self._data(examples, training, head=self._head, encoders=self._encoders, seed=seed)
        schedule = self.settings.schedule(data.n_drawn)
        further = type(self)(**self.config)
        further._build(self._head, self._encoders, dropout=schedule.dropout, seed=seed)
        own = self._tensors()
        for name, tensor in further._tensors().items():
            tensor.copy_(own[name])
        settings = {"epochs": FURTHER_EPOCHS, "learning_rate": FURTHER_RATE * schedule.rate}
        further._train(data, self.settings.model_copy(update=settings), seed=seed, stage=stage)
        return further

    def _data(
        self,
        examples: Examples,
        training: PathTraining,
        *,
        head: SalesPathHead,
        encoders: Mapping[str, Encoder],
        seed: int,
    ) -> PathData:
        """The examples, some of them once more with a short history, as networks read them."""
        share = self.settings.masked_share
        learned, weighed = with_masked(examples, training, share=share, seed=seed)
        content = ItemContent(examples, self._blocks())
        return path_data(learned, weighed, head=head, encoders=encoders, content=content)

    def _train(self, data: PathData, settings: PathSettings, *, seed: int, stage: Stage) -> None:
        """Trains all networks side by side."""
        trainings = [
            PathNetworkTraining(one, data, settings=settings, seed=(seed + place) % 2**31)
            for place, one in enumerate(self.networks)
        ]
        at_once, n_threads = settings.shared_out(data.n_drawn, n_networks=self.n_networks)
        epochs = settings.schedule(data.n_drawn).epochs
        with stage("training", epochs * self.n_networks, "epochs") as work:
            run_at_once(trainings, work, at_once=at_once, n_threads=n_threads)

    @torch.inference_mode()
    def raw(self, examples: Examples) -> Paths:
        """Mean and quantiles `[n, horizon + 1, raw_dim]`: those of the networks, averaged."""
        head = self._head
        found = np.empty((len(examples), *head.target_shape, head.raw_dim))
        content = ItemContent(examples, self._blocks())
        reader = PathReader(examples, self._encoders, content, holds=False)
        for rows in chunks(len(examples), CHUNK_EXAMPLES):
            batch = reader.batch(rows)
            each = [head.ordered(one(batch).double()) for one in self.networks]
            found[rows] = torch.cat(each, dim=1).mean(dim=1).numpy()
        return found

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples with any history, or of whose item anything is known."""
        content = ItemContent(examples, self._blocks())
        known: Mask = content.known(examples.windows.series).numpy()
        return known | (examples.windows.lengths > 0)

    @property
    def config(self) -> dict[str, Any]:
        """Every option; after `fit` with what rebuilds the networks."""
        return {
            "series": self.series,
            "decoder": self.decoder,
            "settings": self.settings.model_dump(mode="json", exclude_defaults=True),
            "n_networks": self.n_networks,
            "learned": self.learned,
        }

    def state(self) -> State:
        """Every weight, as `<network>.<name>`."""
        return dict(self._tensors())

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Builds the networks and takes back their weights.

        Raises:
            ValueError: If something is missing, left over or of another shape.
        """
        if self.learned is None:
            raise ValueError("learned must be what fit has set, got None.")
        encoders = {
            name: rebuild(ENCODERS, entry, what=f"series encoder {name}")
            for name, entry in self.learned["encoders"].items()
        }
        self._build(head, encoders, dropout=0.0, seed=0)
        own = self._tensors()
        if own.keys() != state.keys():
            odd = sorted(own.keys() ^ state.keys())
            raise ValueError(f"missing or left over: {', '.join(odd[:5])} ({len(odd)})")
        for name, tensor in own.items():
            given = state[name]
            if not isinstance(given, Tensor) or given.shape != tensor.shape:
                raise ValueError(f"{name} must be of shape {list(tensor.shape)}, got another.")
            tensor.copy_(given)

    @classmethod
    def tiny(cls) -> Self:
        """One small network of a few epochs."""
        return cls(
            series={"temporal_convolution": {"length": 8, "steps_dim": 4, "embedding_dim": 8}},
            settings={"width": 16, "epochs": 3, "batch_size": 128},
        )

    def _fitted_encoders(self, windows: Windows, seed: int) -> dict[str, Encoder]:
        """The series encoders, fitted on some of the windows where they learn from any."""
        rows = np.linspace(0, len(windows) - 1, min(FIT_EXAMPLES, len(windows))).astype(np.int64)
        few = windows.take(rows)
        with OwnGenerators(seed):
            return {
                name: _fitted(ENCODERS[name], few, options) for name, options in self.series.items()
            }

    def _decoder_entry(self, encoders: Mapping[str, Encoder]) -> Entry:
        """Name and configuration of the decoder, with the lengths of the periods that it reads."""
        name, config = self.decoder["name"], dict(self.decoder["config"])
        if DECODERS[name].reads_periods:
            told = [one for one in encoders.values() if isinstance(one, StepsEncoder)]
            config["memory_dim"] = told[0].steps_dim if told else 0
            config["future_dim"] = told[0].future_dim if told else 0
        return {"name": name, "config": config}

    def _build(
        self, head: SalesPathHead, encoders: Mapping[str, Encoder], *, dropout: float, seed: int
    ) -> None:
        """Untrained networks; those of the encoders that do not train are in all of them."""
        assert self.learned is not None
        entries, decoder = self.learned["encoders"], self.learned["decoder"]
        width = self.settings.width
        self._head, self._encoders, self.networks = head, encoders, []
        for place in range(self.n_networks):
            with OwnGenerators((seed + place) % 2**31):
                own = {
                    name: rebuild(ENCODERS, entries[name], what=f"series encoder {name}")
                    if one.is_trainable
                    else one
                    for name, one in encoders.items()
                }
                network = PathNetwork(
                    own,
                    content=ContentVectors(self._blocks(), dropout=dropout),
                    decoder=rebuild(DECODERS, decoder, width, head, what="decoder of a forecast"),
                    dropout=dropout,
                )
            self.networks.append(network.eval())

    def _blocks(self) -> list[ItemBlock]:
        assert self.learned is not None
        return [ItemBlock(**block) for block in self.learned["blocks"]]

    def _tensors(self) -> dict[str, Tensor]:
        """The tensors themselves, by `<network>.<name>`."""
        return {
            f"{place}.{name}": tensor
            for place, network in enumerate(self.networks)
            for name, tensor in network.state_dict().items()
        }


def _fitted(kind: type[Encoder], windows: Windows, options: Mapping[str, Any]) -> Encoder:
    learn: Callable[..., Encoder] | None = getattr(kind, "fitted", None)
    return kind(**options) if learn is None else learn(windows, **options)


def _check(series: Iterable[str], decoder: str, n_networks: int) -> None:
    """Refuses names that are unknown or do not suit; all at once."""
    readers = {name: kind for name, kind in ENCODERS.items() if kind.modality == "series"}
    faults = [unknown_name("series", name, readers) for name in series if name not in readers]
    if not list(series):
        faults.append(f"series must name one or more of {', '.join(readers)}, got none.")
    learners = {name: kind for name, kind in DECODERS.items() if not kind.closed_form}
    if decoder not in learners:
        faults.append(unknown_name("decoder", decoder, learners))
    if not 1 <= n_networks <= MOST_NETWORKS:
        faults.append(f"n_networks must be from 1 to {MOST_NETWORKS}, got {n_networks}.")
    if faults:
        raise ValueError(" ".join(faults))
