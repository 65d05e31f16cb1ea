# A web server with one page, HTTP/1.0: an answer, then the server closes.
#
#   lwipscope run http_server.py          then, in another terminal:  curl http://127.0.0.1:8080
#
# Who closes first gets TIME_WAIT: here the board, for two minutes after each page, and a Pico W has 5
# pcbs. lwIP gives up the oldest TIME_WAIT when a new client needs its pcb, so this is no leak. A client
# that says nothing must not keep the server for ever: hence the timeout.

import socket

PORT = 8080
PAGE = b"<!doctype html><title>board</title><p>Hello from lwIP."


def request_of(connection):
    # The request's first line; the rest must be read too, or close() resets instead of finishing.
    first = connection.readline()
    line = first
    while line not in (b"\r\n", b"\n", b""):
        line = connection.readline()
    return first.split()


def answer(connection):
    words = request_of(connection)
    if len(words) != 3 or words[0] != b"GET":
        connection.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    elif words[1] != b"/":
        connection.write(b"HTTP/1.0 404 Not Found\r\n\r\n")
    else:
        connection.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n")
        connection.write(b"Content-Length: %d\r\n\r\n" % len(PAGE))
        connection.write(PAGE)


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(2)
print("http server on port", PORT)
try:
    while True:
        connection, peer = server.accept()
        connection.settimeout(5)
        try:
            answer(connection)
        except OSError as error:
            print("lost", peer, "errno", error.errno)
        finally:
            connection.close()
except KeyboardInterrupt:
    print("stopped")
finally:
    server.close()
