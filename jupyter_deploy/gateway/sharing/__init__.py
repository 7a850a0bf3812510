"""What several gateways of one port share: limits, refused requests, counts.

Rule 1: where there is one gateway, nothing here is used.  Rule 2: whatever is shared is in files
that a gateway maps or reads, so that it outlives each of them; a gateway that is killed at any
moment leaves no lock and no half of anything.
"""
