"""A live page of runs: what goes on, and wishes that steer it."""
