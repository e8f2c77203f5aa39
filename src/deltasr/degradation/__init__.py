"""How LR pictures come about from HR ones; a leaf that knows nothing of models or files."""
