"""A log becomes numbers: sources, splits, vocabularies, features, statistics as of each moment."""
