"""Reads a timeline and shows it; touches nothing live."""
