"""Public benchmark files: downloads and their conversion into the tables the project reads."""
