"""The process that holds a model.  Imports nothing of ours but `wire`."""
