"""A panel of the items of a table: those, all of those, and no others."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from fusion.data.panel.panel import Panel, ragged


def of_items(panel: Panel, ids: Collection[str]) -> Panel:
    """The panel without other items, and with an empty series of each item that it lacks.

    An empty series begins at the end of the panel. Where items are sold by shop it has the shop
    `""`, as nobody knows where it will be sold.

    Args:
        panel: The sales.
        ids: The items (a set is quick).
    """
    kept = [row for row, name in enumerate(panel.ids) if name in ids]
    new = sorted(set(ids) - {panel.ids[row] for row in kept})
    if not new and len(kept) == panel.n_series:
        return panel
    sources = np.array([*kept, *[-1] * len(new)], dtype=np.int64)
    names = [*(panel.ids[row] for row in kept), *new]
    shops = [] if panel.shops is None else [*(panel.shops[row] for row in kept), *[""] * len(new)]
    keys = list(zip(names, shops, strict=True)) if shops else [(name, "") for name in names]
    order = sorted(range(len(names)), key=keys.__getitem__)
    sources = sources[order]
    is_new = sources < 0
    lengths = np.where(is_new, 0, np.diff(panel.offsets)[sources])
    offsets, series = ragged(lengths)
    places = np.arange(offsets[-1]) - offsets[series] + panel.offsets[sources[series]]
    return replace(
        panel,
        ids=tuple(names[row] for row in order),
        shops=tuple(shops[row] for row in order) if shops else None,
        first=np.where(is_new, panel.end, panel.first[sources]),
        offsets=offsets,
        units=panel.units[places],
        given=panel.given[places],
        columns={name: values[places] for name, values in panel.columns.items()},
    )
