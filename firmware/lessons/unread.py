# Lesson 9: a server that closes without having read what came.

import select
import socket
import time

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
print("something has come; closing without reading it")
connection.close()
server.close()
time.sleep_ms(200)
