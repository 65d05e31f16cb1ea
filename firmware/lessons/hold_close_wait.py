# Lesson 6: a server that hears of the other end's FIN, and takes its time before it closes.

import socket
import time

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 6666))
server.listen(2)
print("listening on port 6666")

connection, peer = server.accept()
while connection.recv(100):
    pass
print("the other end has closed; this program has not, for 20 seconds")
time.sleep(20)
connection.close()
server.close()
time.sleep_ms(200)
