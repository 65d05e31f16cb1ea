# Lesson 2: a server that says goodbye and closes before the other end does.

import socket
import time

import tcptrace  # the board's own table of connections

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 6666))
server.listen(2)
print("listening on port 6666")

connection, peer = server.accept()
connection.send(b"goodbye\n")
connection.close()
server.close()
print("closed; now end nc with Ctrl-C, within 10 seconds")

# The rest comes without the program: it only stays until then.
while any(state.startswith("FIN_WAIT") for _, state, *_ in tcptrace.pcbs()):
    time.sleep_ms(20)
