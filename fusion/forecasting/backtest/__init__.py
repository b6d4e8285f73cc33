"""Forecasts of past dates, beside simple methods and what was sold then.

The way through it: `origins` train and ask a forecast at past dates -> `baselines` answer the same
-> `metrics`, by group of rows (`breakdown`) and in pairs (`paired`) -> `result`.
"""
