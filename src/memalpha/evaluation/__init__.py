"""Measures writers and baselines on the same episodes with the same reader."""
