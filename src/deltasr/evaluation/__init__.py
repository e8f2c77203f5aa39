"""Measuring results: metrics, benchmark sets, tables."""
