"""Frames between a gateway (or supervisor) and a replica.  Standard library and NumPy only."""
