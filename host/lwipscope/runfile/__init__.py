"""A run as one value and as one file: what happened on the board, on the wire and beside it.

`Run` is made by whoever runs something on a board, saved as `NAME.lwiprun`, and read by every
report, today or in a year. It knows nothing of scenarios or firmware.
"""
