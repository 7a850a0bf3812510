"""What the application puts into a request's scope for the pages behind it."""

REQUEST_ID = "jupyter_deploy.request_id"
#: A list of headers that the answer gets.
MORE_HEADERS = "jupyter_deploy.headers"
