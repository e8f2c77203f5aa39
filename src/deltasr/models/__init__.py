"""Models: networks, process, metadata and weights behind one call."""
