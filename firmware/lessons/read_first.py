# Lesson 9: the same server. Complete it where a line begins with "# ...", so that its close is a clean one.

import select
import socket
import time

import tcptrace  # the board's own table of connections

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 6666))
server.listen(2)
print("listening on port 6666")

connection, peer = server.accept()
connection.send(b"type a line\n")
poll = select.poll()
poll.register(connection, select.POLLIN)
poll.poll()  # waits until something has come, and leaves it there
# ... read what has come
print("closing; now end nc with Ctrl-C, within 10 seconds")
connection.close()
server.close()

while any(state.startswith("FIN_WAIT") for _, state, *_ in tcptrace.pcbs()):
    time.sleep_ms(20)
