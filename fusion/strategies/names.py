"""Names of fusion strategies, apart from them: to check a choice needs no torch."""

KNOWN = ("concat", "gated", "join")
"""Names of `FUSIONS`, as long as nothing else is registered there."""
