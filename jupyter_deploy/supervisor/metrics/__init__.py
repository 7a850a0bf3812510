"""What endpoints did: collected from the gateways, kept in metrics.db, shown as documents.

Rule: nothing here matters to serving.  What cannot be read or written is left out and logged.
"""
