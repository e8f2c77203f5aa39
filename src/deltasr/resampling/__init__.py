"""Bicubic resizing as MATLAB's `imresize` does it: `kernels` has its numbers, in NumPy, `tensors` resizes pictures,
and `mirroring` continues them beyond their borders."""
