"""The other end: nc-style peers, kernel sockets, our own endpoint, the gate."""
