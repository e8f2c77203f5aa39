"""Many pictures by several processes, on one machine or on many: a pool of workers, and what a worker does."""
