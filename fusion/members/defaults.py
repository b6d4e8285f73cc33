"""Which members a model has where nothing is said."""

DEFAULT_MEMBERS: tuple[str, ...] = ("network", "kernel", "ridge", "trees")
"""Names in `MEMBERS`, in the order in which they are fitted; the stack says what each counts."""
