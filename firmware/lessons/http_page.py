# A web server for one page and one request: lesson on HTTP, segment by segment.

import socket
import time

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 8080))
server.listen(1)
print("listening on port 8080")
connection, peer = server.accept()

request = b""
while b"\n\n" not in request.replace(b"\r", b""):
    data = connection.recv(256)
    if not data:
        break
    request += data
print(request)

connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n<p>Hello from lwIP.\n")
connection.close()
print("page sent, closed; end nc with Ctrl-C now")
server.close()

# The segments of the end come after close(), without the program. Ten seconds are the most.
import tcptrace

end_ms = time.ticks_add(time.ticks_ms(), 10_000)
while time.ticks_diff(end_ms, time.ticks_ms()) > 0:
    if all(state in ("TIME_WAIT", "CLOSED") for _, state, *_ in tcptrace.pcbs()):
        break
    time.sleep_ms(10)
