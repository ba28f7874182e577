"""Reranking: lists in, lists out; diversity and rules after scoring."""
