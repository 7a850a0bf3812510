"""The data plane: the process that owns the public port.

    process, config, admin         the process, and what the supervisor may ask of it
    protocol                       connections: deadlines for heads, and how many may be open
    app, pages                     requests: predictions on a short path, everything else
    routes, service                what is served now, compiled from the route snapshot
    auth, admission, body, decode  what a request must be before it reaches a model
    memory, heavy                  what large requests may take, and where their work is done
    dispatch, columns              to the replicas and back, in batches
    answers, problems, v2          what goes back to the caller
    metrics, errorlog, log         what is kept of it
    sharing                        what several gateways of one port share
    openapi, docs                  what callers can read

The gateway needs the snapshot file and the replicas' sockets, and nothing else: it goes on serving
while supervisor, Jupyter and MLflow are gone.
"""
