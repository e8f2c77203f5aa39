"""Networks, one a file. Tensors in, tensors out: no files, no pictures, no command line."""
