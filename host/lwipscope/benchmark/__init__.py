"""How fast board and host are: the figures of `lwipscope bench` and how each is measured."""
