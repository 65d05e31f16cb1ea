# lwipscope exercise: graceful-close
import socket

from config import PORT


def serve(connection):
    document = connection.recv(1024)
    connection.write(b"%d %d\n" % (len(document), sum(document)))
    connection.write(document)


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(4)
while True:
    connection, peer = server.accept()
    try:
        serve(connection)
    except OSError:
        pass
    finally:
        connection.close()
