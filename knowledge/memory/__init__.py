"""What outlives a run: the event log, its tables, ranking, playbooks, reuse."""
