"""One file for each peer.  `run.py` has them in the order of the table."""
