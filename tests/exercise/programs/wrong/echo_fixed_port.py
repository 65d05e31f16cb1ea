# lwipscope exercise: echo-server
import socket

PORT = 6666

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(4)
while True:
    connection, peer = server.accept()
    try:
        while True:
            data = connection.recv(512)
            if not data:
                break
            connection.write(data)
    except OSError:
        pass
    finally:
        connection.close()
