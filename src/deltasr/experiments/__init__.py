"""The papers' experiments at a scale of one's own: a table, plots, and the papers' numbers beside ours."""
