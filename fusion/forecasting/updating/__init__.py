"""Trained forecasts brought up to date with the periods that came since."""
