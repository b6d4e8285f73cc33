"""Trained forecasts as folders: written whole, and checked before anything in them is used."""
