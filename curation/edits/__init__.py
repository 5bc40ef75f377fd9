"""Edits: texts changed before they are measured, with everything that was cut kept beside them."""
