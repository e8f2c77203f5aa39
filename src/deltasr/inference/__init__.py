"""From pictures to larger ones: sizes, tiles, memory, consistency, many files, and the `Upscaler`."""
