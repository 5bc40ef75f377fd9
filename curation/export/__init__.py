"""HAND OVER: kept documents to token shards and their manifest, the one seam between curation and training."""
