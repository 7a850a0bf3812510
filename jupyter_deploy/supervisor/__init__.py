"""The control plane: keeps gateway and replicas as they should be, owns the state, serves the API.

app        the process: configuration, the lock, signals
service    puts the parts together, in the order in which they start and stop
state, store                    what ought to be, and where that is kept
processes, replicas, gateway    what is, and what makes it so
routes, deploys, traffic, keys  the changes that a person can ask for
api        HTTP over a Unix socket
"""
