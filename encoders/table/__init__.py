"""Numbers, categories and dates of a table to embeddings."""
