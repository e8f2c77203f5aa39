"""Networks, one per file. Tensors in, tensors out: no files, no pictures, no command line."""
