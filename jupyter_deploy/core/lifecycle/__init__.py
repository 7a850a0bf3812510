"""The lives of what the supervisor keeps: what happens to it, and what is to be done then.

    replica    the place of one replica, and the process that fills it
    version    what its replicas say for and against a version, until it is given up
    endpoint   which version gets the traffic, and where it goes when one is given up
    gateway    the place of one gateway, and how a new process takes over from the one before
    backoff    how long to wait before a process is started again

Rule 1: every change is a row of a table, (phase, event) -> function; what is no row changes
nothing.  Rule 2: `decide(state, event, ...)` starts no process and reads no clock: `now` (monotonic
seconds) and `jitter` (a random number in [0, 1)) are arguments.  Rule 3: the supervisor keeps no
other state than these, and performs the actions in their order.
"""
