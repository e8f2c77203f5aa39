"""Running a model's network by other programs than torch: made into their files, tried on this machine, and chosen."""
