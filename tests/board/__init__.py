"""Tests against the real emulated board."""
