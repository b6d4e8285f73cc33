"""Models that forecast together. One file holds state and fitting of one kind.

`registry.py` shows every kind on one screen.
"""
