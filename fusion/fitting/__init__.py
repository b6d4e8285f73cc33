"""From a table and targets to a trained bundle: the one way in which models are made."""
