"""The benchmark: the same models and loads on the peers and on ours, in one run.  See README.md.

Rule 1: whoever runs it needs Python 3.11 and wrk, nothing else: this package imports only the
standard library at the top of its modules, and everything else inside an environment of its own.
Rule 2: a figure with an error in it is marked, never averaged away.  Rule 3: what a peer was set to
stands in its file and in the table.
"""
