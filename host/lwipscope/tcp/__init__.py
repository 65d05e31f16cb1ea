"""States, edges and paths of TCP. Pure: imports nothing else of lwipscope but errors."""
