"""What the tables of a configuration file have in common."""

from collections.abc import Collection, Iterable, Sequence

from encoders.spelling import unknown_name
from fusion.choices.mistakes import RunSettings
from fusion.modalities import input_roles


def column_roles() -> tuple[str, ...]:
    """What columns of the items can be."""
    return "id", *input_roles()


SALES_VALUES = {
    **dict.fromkeys(("table", "market", "planned"), '"FILE"'),
    **dict.fromkeys(("past", "known"), '["NAME"]'),
    "duckdb": "true",
    "frequency": '"week"',
    "as_of": '"2024-01-31"',
}
"""Keys of `[sales]` that name no single column -> a value as a file writes it."""


def place_of_key(key: str, sales_keys: Collection[str]) -> str:
    """Where a key has its place that was written under `[data]`; empty where it has none.

    Args:
        key: A role of columns, or a key of `[sales]`.
        sales_keys: Keys of `[sales]`.

    Example:
        >>> place_of_key("price", ["table", "price"])
        'price stands under [sales]: price = "NAME".'
    """
    if key in column_roles():
        return f'Roles of columns stand under [data.columns]: {key} = ["NAME"].'
    value = SALES_VALUES.get(key, '"NAME"')
    return f"{key} stands under [sales]: {key} = {value}." if key in sales_keys else ""


class Section(RunSettings):
    """A table of the file."""


def check_names(name: str, values: Iterable[str], valid: Sequence[str]) -> None:
    """Refuses names that are none of the valid ones.

    Raises:
        ValueError: With all of them, and the nearest valid ones.
    """
    unknown = [value for value in values if value not in valid]
    if unknown:
        raise ValueError("\n".join(unknown_name(name, value, valid) for value in unknown))


def known_name(name: str, value: str, valid: Sequence[str]) -> str:
    """The value, if it is one of the valid names.

    Raises:
        ValueError: If not, with the nearest of them.
    """
    if value not in valid:
        raise ValueError(unknown_name(name, value, valid))
    return value
