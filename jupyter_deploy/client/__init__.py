"""The one client of the control API, how it finds the supervisor, and the inference client."""
