"""The words of TCP, and the myths about it, each with a run that settles it."""
