"""Names of heads and decoders, apart from these: to check a choice needs no torch."""

KNOWN = ("sales_volume", "regression", "hot_item", "linear", "multiclass", "quantiles")
"""Names of `HEADS`, as long as nothing else is registered there."""
KNOWN_DECODERS = ("linear", "least_squares")
"""Names of `DECODERS`, as long as nothing else is registered there."""
