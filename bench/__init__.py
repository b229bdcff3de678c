"""Benches: speed and accuracy, measured on the machine at hand and printed as JSON. Nothing here is asserted."""
