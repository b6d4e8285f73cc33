"""A panel of chosen series: those, all of those, and no others."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from fusion.data.panel.layout import NO_SHOP
from fusion.data.panel.panel import Panel, ragged

Series = tuple[str, str]
"""Item and shop; the shop is `""` where there are none."""


def of_items(panel: Panel, ids: Collection[str]) -> Panel:
    """The panel without other items, and with an empty series of each item that it lacks.

    An empty series begins at the end of the panel. Where items are sold by shop it has the shop
    `""`, as nobody knows where it will be sold.

    Args:
        panel: The sales.
        ids: The items (a set is quick).
    """
    kept = [(name, shop) for name, shop in series_names(panel) if name in ids]
    new = set(ids) - {name for name, _ in kept}
    return of_series(panel, [*kept, *((name, NO_SHOP) for name in new)])


def left_to(panel: Panel, ids: Collection[str]) -> Panel:
    """The panel of some items alone, which notes the others as left out.

    Args:
        panel: The sales.
        ids: The items (a set is quick).
    """
    names = series_names(panel)
    gone = {name for name, _ in names if name not in ids}
    found = of_series(panel, [one for one in names if one[0] not in gone])
    return replace(found, left_out=tuple(sorted({*panel.left_out, *gone})))


def series_names(panel: Panel) -> list[Series]:
    """Item and shop of each series."""
    return list(zip(panel.ids, panel.shops or (NO_SHOP,) * panel.n_series, strict=True))


def of_series(panel: Panel, names: Sequence[Series]) -> Panel:
    """The panel of some series; one that it lacks is empty and begins at its end.

    Args:
        panel: The sales.
        names: Different series, in any order.
    """
    names = sorted(names)
    there = series_names(panel)
    if names == there:
        return panel
    rows = {name: row for row, name in enumerate(there)}
    sources = np.array([rows.get(name, -1) for name in names], dtype=np.int64)
    is_new = sources < 0
    lengths, begins, first = np.zeros((3, len(names)), dtype=np.int64)
    lengths[~is_new] = np.diff(panel.offsets)[sources[~is_new]]
    begins[~is_new] = panel.offsets[sources[~is_new]]
    first[~is_new] = panel.first[sources[~is_new]]
    offsets, series = ragged(lengths)
    places = np.arange(offsets[-1]) + (begins - offsets[:-1])[series]
    nothing = np.full((1, panel.n_ahead), np.nan, dtype=np.float32)
    return replace(
        panel,
        ids=tuple(name for name, _ in names),
        shops=None if panel.shops is None else tuple(shop for _, shop in names),
        first=np.where(is_new, panel.end, first),
        offsets=offsets,
        units=panel.units[places],
        given=panel.given[places],
        columns={name: values[places] for name, values in panel.columns.items()},
        planned={
            name: np.concatenate([values, nothing])[sources]
            for name, values in panel.planned.items()
        },
    )
