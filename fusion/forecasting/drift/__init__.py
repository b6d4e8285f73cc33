"""Drift: whether sales, items and errors are still as they were when a forecast learned.

The way through it: `make_reference` keeps a bounded sketch of what was learned from; `watch` holds
what came since against it, and its `DriftReport` says what moved, since when, and what to do.
`watch_forecast` does so for a trained forecast.
"""
