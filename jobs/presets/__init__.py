"""Training runs as readable Python values, each in a file of its name."""
