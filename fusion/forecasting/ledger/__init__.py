"""Sealed forecasts: what was forecast and when, kept so that nobody can change it unseen.

The way through it: `append` writes an entry and its answers -> `chain` reads a ledger and finds
whatever was changed -> `score` compares entries with the sales that came, and with the figures of a
`planner`.
"""
