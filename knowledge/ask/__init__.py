"""Questions in words, answered from claims and trainings."""
