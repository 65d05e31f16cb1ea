# WRONG ON PURPOSE: an echo server that never closes its connections.
#
# It keeps every client in a list and forgets to close those that have left. Each stays in CLOSE_WAIT: the
# peer has closed, lwIP waits for the program, and no timer ends that. On a Pico W, with 5 pcbs, the
# sixth client gets no answer. A test with app.no_leaks() finds it after the first one. Correct:
# echo_server.py.

import socket

PORT = 6666

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(2)
print("listening on port", PORT)
clients = []
while True:
    connection, peer = server.accept()
    clients.append(connection)
    while True:
        data = connection.recv(512)
        if not data:
            break  # here connection.close() is missing
        connection.write(data)
