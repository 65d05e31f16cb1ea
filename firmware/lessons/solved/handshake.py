# Lesson 1: a server that takes one connection and echoes one line.

import socket
import time

PORT = 6666

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))

server.listen(2)

print("listening: now nobody but you can start a connection")

connection, peer = server.accept()

print("connection from", peer)
connection.send(connection.recv(100))  # waits until you type a line
connection.recv(100)  # waits until the other end closes: b""
connection.close()
server.close()
time.sleep_ms(200)  # so that the last segments pass while the program runs
