"""Encoders of sales over time: what was known of a series before a date becomes an embedding."""
