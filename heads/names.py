"""Names of heads, apart from the heads: to check a choice needs no torch."""

KNOWN = ("sales_volume", "regression", "hot_item", "linear")
"""Names of `HEADS`, as long as nothing else is registered there."""
