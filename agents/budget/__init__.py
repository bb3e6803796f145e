"""What models cost: caps, usage, prices, and an estimate before a run."""
