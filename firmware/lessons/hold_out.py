# Lesson 3: the server closes first, and then only watches what becomes of the connection.

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
print("closed; leave nc alone now")

# Prints the board's own table whenever it changes, until there is nothing left of the connection.
shown = None
while shown != []:
    table = [state for _, state, *_ in tcptrace.pcbs()]
    if table != shown:
        print("the board's table:", table or "empty")
        shown = table
    time.sleep_ms(20)
