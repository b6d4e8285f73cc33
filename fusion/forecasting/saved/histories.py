"""The histories that a saved forecast keeps, as numbers of one file, and back.

`histories.safetensors` holds the panel (`panel.<name>`, ids as UTF-8), blocks of the items
(`content.<place>.<name>`) and answers out of fold (`out_of_fold.<name>`). Unknown numbers are NaN.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from scipy import sparse

from encoders.blocks import Block
from fusion.bundle.reference import texts_as_tensors
from fusion.bundle.weights import packed
from fusion.data.batch import ModelInputs
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import FARTHEST_PERIOD, Frequency
from fusion.data.panel.launches import NO_LAUNCH
from fusion.data.panel.panel import Panel
from fusion.errors import BundleError
from fusion.forecasting.heads import panel_of
from fusion.forecasting.kept import Kept, KeptAnswers
from fusion.forecasting.saved.arrays import Arrays
from fusion.forecasting.saved.document import (
    HISTORIES,
    BlockEntry,
    KeptEntry,
)
from fusion.members.view import View
from fusion.saved_parts import described
from heads.sales_path import SalesPathHead

NUMBERS = ("columns", "planned", "market")
TERMS = ("data", "indices", "indptr")


def kept_entry(kept: Kept) -> dict[str, Any]:
    """What the description says of kept histories, JSON-serialisable."""
    panel = kept.panel
    return {
        "start": panel.start,
        "learned_until": kept.learned_until,
        "seed": kept.seed,
        "open_weekdays": list(panel.open_weekdays),
        "has_shops": panel.shops is not None,
        "known": sorted(panel.known),
        "n_items": len(kept.content),
        "blocks": [
            {
                "name": name,
                "within": block.name,
                "kind": block.kind,
                "dim": block.dim,
                "n_levels": block.n_levels,
                "labels": list(block.labels),
            }
            for name, block in kept.content.blocks.items()
        ],
        "out_of_fold": None if kept.out_of_fold is None else len(kept.out_of_fold),
    }


def kept_bytes(kept: Kept) -> bytes:
    """The content of the file."""
    panel = kept.panel
    arrays: dict[str, Any] = {
        "panel.first": panel.first,
        "panel.offsets": panel.offsets,
        "panel.units": panel.units,
        "panel.given": panel.given,
        "panel.reported": panel.reported,
        "launches": kept.launches,
        "rows": kept.rows,
    }
    for group in NUMBERS:
        arrays |= {f"panel.{group}.{name}": v for name, v in getattr(panel, group).items()}
    for place, (name, block) in enumerate(kept.content.blocks.items()):
        arrays[f"content.{place}.present"] = kept.content.present[name]
        if block.kind == "terms":
            terms = sparse.csr_matrix(block.values)
            arrays |= {f"content.{place}.{part}": getattr(terms, part) for part in TERMS}
        else:
            arrays[f"content.{place}.values"] = block.values
    if kept.out_of_fold is not None:
        arrays |= {
            "out_of_fold.series": kept.out_of_fold.series,
            "out_of_fold.as_of": kept.out_of_fold.as_of,
        }
        for name, answers in kept.out_of_fold.answers.items():
            arrays[f"out_of_fold.answers.{name}"] = answers.astype(np.float32)
            arrays[f"out_of_fold.knows.{name}"] = kept.out_of_fold.knows[name]
    # copies: modalities that are always there share one mask, which safetensors refuses
    tensors = {name: torch.from_numpy(np.array(one)) for name, one in arrays.items()}
    tensors |= texts_as_tensors("panel.ids", list(panel.ids))
    tensors |= texts_as_tensors("panel.left_out", list(panel.left_out))
    if panel.shops is not None:
        tensors |= texts_as_tensors("panel.shops", list(panel.shops))
    return packed(tensors)


def read_kept(
    entry: KeptEntry,
    content: bytes,
    *,
    head: SalesPathHead,
    members: Mapping[str, object],
    frequency: Frequency,
    sales: SalesColumns,
) -> Kept:
    """Kept histories of a file, checked: it may come from a stranger.

    Raises:
        BundleError: If anything is missing, left over or of another shape or range.
    """
    with described(HISTORIES):
        taken = Arrays(load_tensors(content), HISTORIES)
        panel = panel_of(type(head), _panel(entry, taken, frequency, sales))
        n = panel.n_series
        launches = _launches(taken.of("launches", np.int64, n))
        rows = taken.whole("rows", n, least=0, most=max(entry.n_items - 1, 0))
        view = _content(entry, taken)
        out_of_fold = None
        if entry.out_of_fold is not None:
            out_of_fold = _out_of_fold(entry.out_of_fold, taken, panel, head, members)
        taken.finish()
        if not panel.start < entry.learned_until <= panel.end:
            raise ValueError(f"learned_until must lie in the panel, got {entry.learned_until}")
        return Kept(
            panel, launches, view, rows,
            learned_until=entry.learned_until,
            out_of_fold=out_of_fold,
            seed=entry.seed,
        )  # fmt: skip


def _launches(found: NDArray[np.int64]) -> NDArray[np.int64]:
    known = found[found != NO_LAUNCH]
    if (np.abs(known) > FARTHEST_PERIOD).any():
        raise ValueError(f"launches must be within {FARTHEST_PERIOD} periods of 1970, got others")
    return found


def _panel(entry: KeptEntry, taken: Arrays, frequency: Frequency, sales: SalesColumns) -> Panel:
    ids = taken.texts("panel.ids")
    shops = taken.texts("panel.shops") if entry.has_shops else None
    names = list(zip(ids, shops or ("",) * len(ids), strict=True))
    if names != sorted(set(names)) or entry.has_shops != (sales.shop is not None):
        raise ValueError("ids must ascend, each item and shop once, with shops as in the sales")
    n_periods, n_values = taken.length("panel.reported"), taken.length("panel.units")
    end = entry.start + n_periods
    first = taken.whole("panel.first", len(ids), least=entry.start, most=end)
    offsets = taken.whole("panel.offsets", len(ids) + 1, least=0, most=n_values)
    if offsets[0] != 0 or offsets[-1] != n_values or (np.diff(offsets) != end - first).any():
        raise ValueError("offsets must be those of series up to the end, got others")
    columns = {
        name: taken.of(f"panel.columns.{name}", np.float32, n_values)
        for name in taken.names("panel.columns.")
    }
    planned = {
        name: taken.of(
            f"panel.planned.{name}", np.float32, len(ids), taken.length(f"panel.planned.{name}", 1)
        )
        for name in taken.names("panel.planned.")
    }
    market = {
        name: taken.of(f"panel.market.{name}", np.float32, taken.length(f"panel.market.{name}"))
        for name in taken.names("panel.market.")
    }
    strange = {*columns, *market} ^ set(sales.of_panel)
    if strange or not {*planned, *entry.known} <= set(sales.numbers):
        raise ValueError("numbers must be those of the sales table and the market, got others")
    if len({one.shape[1] for one in planned.values()}) > 1 or any(
        len(one) < n_periods for one in market.values()
    ):
        raise ValueError("numbers must cover all periods, got fewer")
    return Panel(
        frequency,
        entry.start,
        ids,
        shops,
        first,
        offsets,
        units=taken.of("panel.units", np.float32, n_values),
        given=taken.of("panel.given", np.bool_, n_values),
        reported=taken.of("panel.reported", np.bool_, n_periods),
        columns=columns,
        planned=planned,
        market=market,
        known=frozenset(entry.known),
        left_out=taken.texts("panel.left_out"),
        open_weekdays=_open_weekdays(entry),
    )


def _open_weekdays(entry: KeptEntry) -> tuple[int, ...]:
    if entry.open_weekdays != sorted(set(entry.open_weekdays)):
        raise ValueError(f"open_weekdays must ascend, got {entry.open_weekdays}")
    return tuple(entry.open_weekdays)


def _content(entry: KeptEntry, taken: Arrays) -> View:
    n = entry.n_items
    blocks, present = {}, {}
    for place, one in enumerate(entry.blocks):
        present[one.name] = taken.of(f"content.{place}.present", np.bool_, n)
        values = _values(one, f"content.{place}", taken, n)
        blocks[one.name] = Block(one.within, one.kind, values, one.n_levels, tuple(one.labels))
    if len(blocks) < len(entry.blocks):
        raise ValueError("blocks must have different names, got one twice")
    there = torch.ones(n, dtype=torch.bool)
    return View(blocks, present, ModelInputs(present={"items": there}), {})


def _values(one: BlockEntry, name: str, taken: Arrays, n: int) -> Any:
    """Values of a block, see `Block`."""
    if one.kind == "category":
        return taken.whole(f"{name}.values", n, least=0, most=max(one.n_levels - 1, 0))
    if one.kind == "terms":
        n_terms = taken.length(f"{name}.data")
        kind = taken.left[f"{name}.data"].numpy().dtype.type
        data = taken.finite(f"{name}.data", kind, n_terms)
        places = [taken.left.pop(f"{name}.{part}").long().numpy() for part in TERMS[1:]]
        found = sparse.csr_matrix((data, *places), shape=(n, one.dim))
        found.check_format(full_check=True)
        return found
    kind = taken.left[f"{name}.values"].numpy().dtype.type
    if not issubclass(kind, np.floating):
        raise ValueError(f"{name} must be floats, got {kind.__name__}")
    return taken.of(f"{name}.values", kind, n, one.dim)


def _out_of_fold(
    n: int, taken: Arrays, panel: Panel, head: SalesPathHead, members: Mapping[str, object]
) -> KeptAnswers:
    shape = (n, *head.target_shape, head.raw_dim)
    return KeptAnswers(
        taken.whole("out_of_fold.series", n, least=0, most=max(panel.n_series - 1, 0)),
        taken.whole("out_of_fold.as_of", n, least=panel.start, most=panel.end),
        {
            name: taken.finite(f"out_of_fold.answers.{name}", np.float32, *shape).astype(np.float64)
            for name in members
        },
        {name: taken.of(f"out_of_fold.knows.{name}", np.bool_, n) for name in members},
    )


def check_kept(kept: Kept) -> None:
    """Refuses to save histories that could not be loaded.

    Raises:
        BundleError: If a number is infinite.
    """
    panel = kept.panel
    groups = [panel.columns, panel.planned, panel.market]
    numbers = [panel.units, *(one for group in groups for one in group.values())]
    if any(np.isinf(one).any() for one in numbers):
        raise BundleError(
            "kept sales must be finite or unknown, got infinite ones. Mend the tables, then train "
            "again."
        )
