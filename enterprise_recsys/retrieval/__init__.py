"""Millions of items become hundreds: two towers that meet in a dot product."""
