"""Published evaluation protocols by name: data, split, what systems may know, metrics, and the figures of others."""
