# Lesson 7: a server that works, and dies of it.

import socket
import time

import tcptrace  # the board's own table of connections

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 6666))
server.listen(4)
print("listening on port 6666")

clients = []
while len(clients) < 3:
    connection, peer = server.accept()
    clients.append(connection)
    connection.send(b"welcome, client %d\n" % len(clients))
    while connection.recv(100):
        pass
    print("client %d has closed" % len(clients))

time.sleep(1)
print("the board's table:", [state for _, state, *_ in tcptrace.pcbs()])
