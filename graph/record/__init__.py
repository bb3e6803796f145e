"""What a run leaves on disk: folder, ledger, trace, checkpoints."""
