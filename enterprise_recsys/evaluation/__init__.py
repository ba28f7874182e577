"""Evaluation: how good a list is, how sure we are of it, and how that is told."""
