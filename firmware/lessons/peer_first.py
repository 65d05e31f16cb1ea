# Lesson 2: a server that echoes until the other end closes, and closes then.

import socket
import time

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 6666))
server.listen(2)
print("listening on port 6666")

connection, peer = server.accept()
while True:
    data = connection.recv(100)
    if not data:  # b"" is the other end's FIN
        break
    connection.send(data)
print("the other end has closed")
connection.close()
server.close()
time.sleep_ms(200)  # so that the last segments pass while the program runs
