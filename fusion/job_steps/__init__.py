"""The steps that jobs are made of: configuration, checks, reading, measuring, summary."""
