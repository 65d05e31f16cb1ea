"""Exercises: the learner writes the board's application, and tests say what was seen of it."""
