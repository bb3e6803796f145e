"""Another future for the same past."""
