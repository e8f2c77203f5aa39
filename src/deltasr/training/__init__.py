"""Learning weights: data, losses, the loop, recipes."""
