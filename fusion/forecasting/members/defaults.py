"""Which members a forecast has where none are named."""

DEFAULT_MEMBERS = ("network", "trees", "ridge", "kernel", "analogues")
MORE_MEMBERS = {"price_path": ("classical",)}
"""Further ones of a head: of a price that does not move nothing else says exactly that."""
