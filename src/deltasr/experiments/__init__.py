"""Experiments of papers at a chosen scale, and our own: a table with the papers' numbers, and plots."""
