"""Devices of the FBNet space: exact sums of look-up tables."""

DEVICES: tuple[str, ...] = ()
