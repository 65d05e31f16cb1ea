# Lesson 5: a server that reads to the end and only then answers: it sends after the other end's FIN.

import socket
import time

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 6666))
server.listen(2)
print("listening on port 6666")

connection, peer = server.accept()
count = 0
while True:
    data = connection.recv(100)
    if not data:
        break
    count += len(data)
print("the other end has finished; answering now")
connection.send(b"you sent %d bytes\n" % count)
time.sleep_ms(500)  # time to see that the connection is still there
connection.close()
server.close()
time.sleep_ms(200)
