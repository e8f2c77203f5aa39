"""The mathematics of residual shifting: schedules, the process, and the sampling loop. Tensors only."""
