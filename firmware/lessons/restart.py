# A server that closes first, and is started again at once: lesson on ports in use.

import socket

PORT = 6666


def serve(name):
    server = socket.socket()
    # ... allow the port to be bound though an old connection of it is in TIME_WAIT
    server.bind(("", PORT))
    server.listen(1)
    print(name, "listens")
    return server


first = serve("the first server")
connection, peer = first.accept()
connection.close()
print("closed first; end nc with Ctrl-C now")
first.close()

# The board's own table says when the old connection waits.
import tcptrace
import time

while not any(state == "TIME_WAIT" for _, state, *_ in tcptrace.pcbs()):
    time.sleep_ms(10)

second = serve("the second server")
second.close()
