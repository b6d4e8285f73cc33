"""`python -m fusion`, as launchers of several processes call it."""

from fusion.cli import app

app()
