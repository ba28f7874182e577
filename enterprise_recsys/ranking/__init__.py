"""Hundreds become tens: a Deep & Cross Network scores the candidates."""
