"""Videos: frames in, larger frames out, everything else of the file copied. PyAV (extra `video`) reads and writes."""
