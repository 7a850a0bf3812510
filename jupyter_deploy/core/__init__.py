"""What things are and how they change.

Pure: no I/O, no clock, no framework; time is an argument.
"""
