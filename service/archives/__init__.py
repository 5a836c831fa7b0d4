"""Archives of articles in files: what goes into a batch, and what comes out of it."""
