"""Photos to embeddings, and the one way from a photo's bytes to pixels."""
