"""Finished exports in the formats of other training libraries. None of these libraries is needed to write them."""
