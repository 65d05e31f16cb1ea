# An echo server: sends back what it receives, one client at a time.
#
#   lwipscope run echo_server.py          then, in another terminal:  nc 127.0.0.1 6666
#
# What a server must do so that no connection stays behind: set SO_REUSEADDR, so that it can be
# started again at once; close a connection when recv() returns b"" (the peer has closed) and when
# anything fails; close the listener at its own end.

import socket

PORT = 6666


def serve(connection):
    while True:
        data = connection.recv(512)
        if not data:
            return
        connection.write(data)  # all of it; send() may take a part only


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(2)
print("listening on port", PORT)
try:
    while True:
        connection, peer = server.accept()
        try:
            serve(connection)
        except OSError as error:
            print("lost", peer, "errno", error.errno)
        finally:
            connection.close()
except KeyboardInterrupt:
    print("stopped")
finally:
    server.close()
