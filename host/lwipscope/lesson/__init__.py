"""Lessons: predict, observe, explain. Texts and programs are data; see `texts/README.md`."""
