"""Texts to embeddings: words counted, or read by a checkpoint of the BERT family."""
