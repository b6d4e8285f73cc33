"""Which members a forecast has where none are named."""

DEFAULT_MEMBERS = ("network", "trees", "ridge", "kernel", "analogues")
