"""Kinds of moments: one file each, with functions from a `Scene` to its stories."""
