"""Which column of a sales table says what."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from fusion.data.problems import Problem
from fusion.data.schema import missing_columns

UNITS = "units"
"""Name of what is sold, among the numbers of a panel."""
ROLES = ("price", "promotion", "stock", "in_stock")
"""Numeric columns with a meaning of their own; covariates are known by their own names."""


@dataclass(frozen=True)
class SalesColumns:
    """Names of the columns of a sales table.

    Args:
        item: Item that was sold; the items table has a column of the same name.
        date: Day of the sale, or first day of the week or month that a row covers (its last day
            where all rows stand on ends of months).
        units: Units sold; negative ones are returns.
        price: Mean price of a unit.
        promotion: Whether, or which share of the time, a promotion ran.
        stock: Units at hand; 0: the item was not to be had. In its place:
        in_stock: Share of the period in which the item was to be had, 0 to 1.
        shop: Where it was sold.
        past: Numeric covariates known only up to the date of a forecast.
        known: Numeric covariates known ahead, such as a planned price; `price` and `promotion` are
            known for the past alone unless their columns are named here too.

    Raises:
        ValueError: If columns stand in roles that exclude each other.

    Example:
        >>> SalesColumns(price="price_eur", past=("searches",)).numbers
        {'price': 'price_eur', 'searches': 'searches'}
    """

    item: str = "item_id"
    date: str = "date"
    units: str = "units"
    price: str | None = None
    promotion: str | None = None
    stock: str | None = None
    in_stock: str | None = None
    shop: str | None = None
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.stock is not None and self.in_stock is not None:
            raise ValueError(
                f"stock and in_stock must be one column, got {self.stock} and {self.in_stock}. "
                "Name the one that says best whether the item was to be had."
            )
        if twice := sorted(set(self.past) & set(self.known)):
            raise ValueError(
                f"past and known must differ, got {', '.join(twice)} in both. Take each column out "
                "of one of them."
            )
        numbers = [getattr(self, role) for role in ROLES]
        numbers += [*self.past, *self.known]
        if own := [name for name in (*self.keys, self.units) if name in numbers]:
            raise ValueError(
                "price, promotion, stock, past and known must name other columns than item, date, "
                f"units and shop, got {', '.join(own)}. Take it out of one of them."
            )
        if UNITS in (*self.past, *self.known):
            raise ValueError(
                f"past and known must not name a covariate {UNITS}, which is what is sold. "
                "Rename the column."
            )
        own = [role for role in ROLES if role in (*self.past, *self.known)]
        if strange := [role for role in own if getattr(self, role) != role]:
            raise ValueError(
                f"past and known must not name a covariate {', '.join(strange)}, which is a role. "
                f"Give the column as {strange[0]}=, or rename it."
            )

    @property
    def numbers(self) -> dict[str, str]:
        """Numeric columns beside the units: role or own name -> column."""
        roles = {role: name for role in ROLES if (name := getattr(self, role)) is not None}
        own = [name for name in (*self.past, *self.known) if name not in roles.values()]
        return roles | {name: name for name in own}

    @property
    def of_panel(self) -> tuple[str, ...]:
        """Names of the numbers of a panel: beside a stock in units it has `in_stock` too.

        Example:
            >>> SalesColumns(stock="on hand").of_panel
            ('stock', 'in_stock')
        """
        return tuple(dict.fromkeys([*self.numbers, *(["in_stock"] if self.stock else [])]))

    @property
    def known_ahead(self) -> frozenset[str]:
        """Those of `numbers` that are known ahead."""
        return frozenset(key for key, name in self.numbers.items() if name in self.known)

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that say which row of the panel a row belongs to."""
        return (self.item, self.date, *([] if self.shop is None else [self.shop]))

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns that the sales table must have."""
        return tuple(self.named)

    @property
    def named(self) -> dict[str, str]:
        """Columns that the sales table must have -> the argument that names each.

        Example:
            >>> SalesColumns(item="sku", past=("searches",)).named
            {'sku': 'item', 'date': 'date', 'units': 'units', 'searches': 'past'}
        """
        keys = zip(self.keys, ("item", "date", "shop"), strict=False)
        lists = {name: "past" if name in self.past else "known" for name in self.numbers.values()}
        roles = {name: role for role, name in self.numbers.items() if role in ROLES}
        return {**dict(keys), self.units: "units", **lists, **roles}

    def missing(
        self, names: Iterable[str], *, market: Iterable[str] | None = None
    ) -> list[Problem]:
        """One problem for each column that a sales table lacks, see `needed`.

        What is named in `past` or `known` may stand in another table: it is said in which.

        Args:
            names: Columns of the table.
            market: Columns of the table of the market; None where there is none.
        """
        there = list(names)
        beside = [name for name in self.named if name in (*self.past, *self.known)]
        own = {name: role for name, role in self.named.items() if name not in beside}
        found = missing_columns(beside, [*there, *(market or ())])
        return missing_named(own, there) + [
            replace(one, message=f"{one.message} {self._places_of(str(one.column), market)}")
            for one in found
        ]

    def _places_of(self, name: str, market: Iterable[str] | None) -> str:
        """Where a covariate may stand that is nowhere, and what to do."""
        given = f"Give its name as {self.named[name]}, in [sales] or in SalesColumns"
        if name in self.known:
            tables = "a table of plans" if market is None else "those of plans and of the market"
            return (
                f"It is known ahead and stands neither in the sales table nor in {tables}. Give "
                "the table of plans as in training (--planned FILE, planned= in Python, planned in "
                f"[sales]), or the column in the sales table. {given}."
            )
        if market is None:
            return f"{given}, or give the table of the market that has it (market)."
        return f"It stands neither in the sales table nor in that of the market. {given}."

    def without(self, names: Collection[str]) -> Self:
        """Those that stand in the sales table itself, where numbers of some names do not."""
        elsewhere: dict[str, Any] = {role: None for role in ROLES if getattr(self, role) in names}
        return replace(
            self,
            past=tuple(name for name in self.past if name not in names),
            known=tuple(name for name in self.known if name not in names),
            **elsewhere,
        )


def missing_named(wanted: Mapping[str, str], names: Iterable[str]) -> list[Problem]:
    """One problem for each column that a table lacks, with the argument that names it.

    Why: who left the name out does not know where `item_id` comes from.

    Args:
        wanted: Columns -> the argument of `SalesColumns`, a key of `[sales]`, that names each.
        names: Columns of the table.
    """
    return [
        replace(
            one,
            message=f"{one.message} Give its name as {wanted[str(one.column)]}, in [sales] or in "
            "SalesColumns.",
        )
        for one in missing_columns(wanted, names)
    ]
