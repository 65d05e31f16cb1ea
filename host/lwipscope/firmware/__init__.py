"""Builds, packs and verifies the emulated board's firmware."""
