"""Which members a model has where nothing is said."""

DEFAULT_MEMBERS: tuple[str, ...] = ("kernel", "ridge", "trees")
"""Names in `MEMBERS`, in the order in which they are fitted; the stack says what each counts.

Why no network: on the sets of `benchmarks/members.py` it adds nothing to these three and takes most
of the time. It is there where it is asked for, see `fusion.fitting.members.chosen_members`.
"""
