"""What the steps of a generation do, apart from the order they come in."""
