"""The board's ordered event stream: frames, events, timeline."""
