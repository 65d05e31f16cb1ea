"""The lab bench: a board, its network and peers, under the hands of a learner."""
