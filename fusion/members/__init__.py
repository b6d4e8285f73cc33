"""The models that answer beside the networks: one file, one kind of model."""
