# A server that has three clients at once, before it reads from any: lesson on many connections.

import socket
import time

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 6666))
server.listen(3)
print("listening on port 6666")

clients = []
while len(clients) < 3:
    connection, peer = server.accept()
    clients.append(connection)
    print("client", len(clients), "from port", peer[1])
print("three clients are connected")

for connection in clients:
    while connection.recv(64):
        pass
    connection.close()
server.close()
time.sleep_ms(200)  # so that the last segments pass while the program runs
