"""Forecasts of sales over time, for items with a long history, a short one, or none.

The way through it: a panel and the content of items -> `Examples` (item, as_of) -> `members` that
each answer a path of steps -> blend weights and calibration by life stage -> units.
"""
