"""After the last training: scores, exported files, the report, finished networks."""
