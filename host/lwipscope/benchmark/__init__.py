"""How fast board and host are: the figures of `lwipscope bench`, how each is measured, the table."""
