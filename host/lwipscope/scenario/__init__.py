"""The library of scenarios: each once, as data and a short function."""
