# lwipscope exercise: never-leaks
import socket

from config import IDLE_S, PORT

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(4)
while True:
    connection, peer = server.accept()
    try:
        connection.settimeout(IDLE_S)
        while True:
            data = connection.recv(512)
            if not data:
                break
            connection.write(data)
    finally:
        connection.close()
