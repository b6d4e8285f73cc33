"""Sealed forecasts: what was forecast and when, kept so that nobody can change it unseen.

The way through it: `append` writes an entry and its answers -> `chain` reads a ledger and finds
whatever was changed -> `sold` reads the sales that came -> `choice` says which entries are over ->
`score` compares these, and the figures of a `planner`, with what was sold.
"""
